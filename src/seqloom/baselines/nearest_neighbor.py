"""The baseline of translation: the training text that is most similar to a new one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from sklearn.feature_extraction.text import TfidfVectorizer

MAX_CHUNK = 256
MAX_SIMILARITIES = 1 << 24
"""Of the texts that are compared at once, with all of the training texts: 128 MiB."""


def nearest_neighbors(train: Sequence[str], test: Sequence[str]) -> list[int]:
    """For each text of `test` the number of the most similar one of `train`, by the cosine of TF-IDF vectors.

    >>> nearest_neighbors(["a red house", "a dog runs"], ["the dog", "my house", "a red dog runs"])
    [1, 0, 1]
    """
    vectorizer = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True)
    vectors = vectorizer.fit_transform(train).T.tocsr()
    neighbors: list[int] = []
    chunk = max(min(MAX_CHUNK, MAX_SIMILARITIES // len(train)), 1)
    for start in range(0, len(test), chunk):
        similarity = (vectorizer.transform(test[start : start + chunk]) @ vectors).toarray()
        neighbors += numpy.argmax(similarity, axis=1).tolist()
    return neighbors
