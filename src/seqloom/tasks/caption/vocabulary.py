"""The words of captions by number: those that training captions have often enough."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import final

import numpy

from seqloom.errors import RunError
from seqloom.metrics.captions.tokenizer import join_words, tokenize
from seqloom.models.captioning.memory import END, UNKNOWN
from seqloom.stored import DAMAGED, StoredNames, read_stored

SPECIALS = ("<end>", "<unknown>")
WORDS = "words.json"


@final
class CaptionVocabulary:
    """Words by number. Number 0 begins and ends a caption, 1 is every other word.

    Args:
        words: without the special ones.

    >>> vocabulary = CaptionVocabulary.fit(["A dog.", "A cat's dog"], min_count=2)
    >>> vocabulary.encode("A dog sleeps").tolist(), vocabulary.decode([2, 3, 0])
    ([2, 3, 1, 0], 'a dog')
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate((*SPECIALS, *words))}

    @classmethod
    def fit(cls, captions: Iterable[str], min_count: int) -> CaptionVocabulary:
        """The words that occur at least `min_count` times, the most frequent first."""
        counts = Counter(word for caption in captions for word in tokenize(caption))
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return cls([word for word, count in ordered if count >= min_count and word not in SPECIALS])

    @classmethod
    def load(cls, folder: Path) -> CaptionVocabulary:
        """Read what `to_json` wrote into a run folder.

        Raises:
            RunError: the file is missing or damaged.
        """
        words = read_stored(folder / WORDS, StoredNames, "expected the words of a run").root
        if not set(words).isdisjoint(SPECIALS):
            expected = f"expected words beside {' and '.join(SPECIALS)}"
            raise RunError(folder / WORDS, expected, got="one of these", hint=DAMAGED)
        return cls(words)

    def to_json(self) -> str:
        """The words in order."""
        return json.dumps(self.words, ensure_ascii=False)

    def __len__(self) -> int:
        return len(self._numbers)

    def encode(self, caption: str) -> numpy.ndarray:
        """The numbers of its words and of the end, (T,) int64."""
        numbers = [self._numbers.get(word, UNKNOWN) for word in tokenize(caption)]
        return numpy.array([*numbers, END], dtype=numpy.int64)

    def tokens(self, numbers: Iterable[int]) -> list[str]:
        """The words of numbers, special ones too."""
        names = (*SPECIALS, *self.words)
        return [names[number] for number in numbers]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers, special ones left out."""
        return join_words(self.tokens(number for number in numbers if number >= len(SPECIALS)))
