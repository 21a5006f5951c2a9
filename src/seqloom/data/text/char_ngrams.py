"""Character n-grams of words, fastText's subwords: with them a word outside the vocabulary has a vector."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import final

import numpy

from seqloom.stored import StoredNames, parse_stored

SIZES = (3, 4, 5)
"""Characters of an n-gram, the boundary symbols < and > included."""
MIN_WORDS = 3
"""An n-gram of fewer words of the vocabulary is dropped: it says too little about other words."""
MAX_NGRAMS = 32
"""Maximum n-grams per word: all of a word of 12 letters, the first ones of longer words."""


@final
class CharNgrams:
    """A vocabulary of character n-grams (Bojanowski et al., 2017, arXiv:1607.04606). Ids begin at 1.

    Args:
        ngrams: the n-grams, each once.

    >>> subwords = CharNgrams.fit(["loved", "clover", "glove", "dove"])
    >>> subwords.ngrams
    ('lov', 'love', 'ove')
    >>> subwords.encode("lovely").tolist()[:4]
    [1, 2, 3, 0]
    """

    def __init__(self, ngrams: Sequence[str]) -> None:
        self.ngrams = tuple(ngrams)
        self._ids = {ngram: number for number, ngram in enumerate(self.ngrams, 1)}

    @classmethod
    def fit(cls, words: Iterable[str]) -> CharNgrams:
        """Collect the n-grams that at least `MIN_WORDS` of these words have."""
        counts = Counter(ngram for word in words for ngram in extract_ngrams(word))
        return cls(sorted(ngram for ngram, count in counts.items() if count >= MIN_WORDS))

    def __len__(self) -> int:
        return len(self.ngrams)

    def encode(self, word: str) -> numpy.ndarray:
        """The ids of the known n-grams of `word`, padded with 0: (MAX_NGRAMS,) int32."""
        ids = [self._ids[ngram] for ngram in extract_ngrams(word) if ngram in self._ids][:MAX_NGRAMS]
        padded = numpy.zeros(MAX_NGRAMS, dtype=numpy.int32)
        padded[: len(ids)] = ids
        return padded

    def to_json(self) -> str:
        """The n-grams as a JSON list, for `from_json`."""
        return json.dumps(self.ngrams, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, where: object = "subwords") -> CharNgrams:
        """Read back what `to_json` wrote.

        Raises:
            RunError: it is something else.
        """
        return cls(parse_stored(text, StoredNames, where, "expected the subwords of a run").root)


def extract_ngrams(word: str) -> list[str]:
    """The n-grams of `<word>`, each once, in the order in which they begin; the whole is not among them.

    >>> extract_ngrams("cat")
    ['<ca', '<cat', 'cat', 'cat>', 'at>']
    """
    marked = f"<{word}>"
    starts = range(len(marked) - SIZES[0] + 1)
    ngrams = (
        marked[start : start + size] for start in starts for size in SIZES if start + size <= len(marked)
    )
    return [ngram for ngram in dict.fromkeys(ngrams) if ngram != marked]
