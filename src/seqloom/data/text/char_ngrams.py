"""The parts of words: letter n-grams, by which a word that was never seen is still something known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import final

import numpy

SIZES = (3, 4, 5)
"""Letters of a part, the marks at both ends of a word counted."""
LEAST_WORDS = 3
"""A part that fewer words of the vocabulary have says nothing of any other word."""
MOST_PARTS = 32
"""Of one word: those of 12 letters, and the beginning of longer ones."""


@final
class CharNgrams:
    """Numbers, from 1 on, for the parts of words (Bojanowski et al., 2017, arXiv:1607.04606).

    Args:
        parts: the parts, each once.

    >>> subwords = CharNgrams.fit(["loved", "clover", "glove", "dove"])
    >>> subwords.parts
    ('lov', 'love', 'ove')
    >>> subwords.numbers("lovely").tolist()[:4]
    [1, 2, 3, 0]
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self.parts = tuple(parts)
        self._numbers = {part: number for number, part in enumerate(self.parts, 1)}

    @classmethod
    def fit(cls, words: Iterable[str]) -> CharNgrams:
        """The parts that several of these words share."""
        counts = Counter(part for word in words for part in parts_of(word))
        return cls(sorted(part for part, count in counts.items() if count >= LEAST_WORDS))

    def __len__(self) -> int:
        return len(self.parts)

    def numbers(self, word: str) -> numpy.ndarray:
        """Of the parts of `word` that are known, filled up with 0: (MOST_PARTS,) int32."""
        known = [self._numbers[part] for part in parts_of(word) if part in self._numbers][:MOST_PARTS]
        filled = numpy.zeros(MOST_PARTS, dtype=numpy.int32)
        filled[: len(known)] = known
        return filled

    def to_json(self) -> str:
        """A list of the parts."""
        return json.dumps(self.parts, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> CharNgrams:
        """What `to_json` gave."""
        return cls(json.loads(text))


def parts_of(word: str) -> list[str]:
    """The n-grams of a word between two marks, each once, from its beginning on; the whole is none of them.

    >>> parts_of("cat")
    ['<ca', '<cat', 'cat', 'cat>', 'at>']
    """
    marked = f"<{word}>"
    starts = range(len(marked) - SIZES[0] + 1)
    parts = (
        marked[start : start + size] for start in starts for size in SIZES if start + size <= len(marked)
    )
    return [part for part in dict.fromkeys(parts) if part != marked]
