"""The baseline of translation: the training text that is most similar to a new one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

CHUNK = 256
"""Texts compared at once, which bounds memory."""


def nearest_neighbors(train: Sequence[str], test: Sequence[str]) -> list[int]:
    """For each text of `test` the number of the most similar one of `train`, by the cosine of TF-IDF vectors.

    >>> nearest_neighbors(["a red house", "a dog runs"], ["the dog", "my house", "a red dog runs"])
    [1, 0, 1]
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True)
    vectors = vectorizer.fit_transform(train).T.tocsr()
    neighbors: list[int] = []
    for start in range(0, len(test), CHUNK):
        similarity = (vectorizer.transform(test[start : start + CHUNK]) @ vectors).toarray()
        neighbors += numpy.argmax(similarity, axis=1).tolist()
    return neighbors
