"""The baseline of translation: of all texts that were translated before, the most alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

CHUNK = 256
"""TextInput compared at once, which bounds memory."""


def nearest(known: Sequence[str], asked: Sequence[str]) -> list[int]:
    """Of each text of `asked` the number of the most alike of `known`: by the angle of their TF-IDF vectors.

    >>> nearest(["a red house", "a dog runs"], ["the dog", "my house", "a red dog runs"])
    [1, 0, 1]
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True)
    vectors = vectorizer.fit_transform(known).T.tocsr()
    found: list[int] = []
    for start in range(0, len(asked), CHUNK):
        likeness = (vectorizer.transform(asked[start : start + CHUNK]) @ vectors).toarray()
        found += numpy.argmax(likeness, axis=1).tolist()
    return found
