"""One side of a pair of texts: its vocabulary, and numbers for what occurs on that side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

import numpy

from seqloom.data.text.vocabulary import UNKNOWN, Unit, Vocabulary

END, UNSEEN = 0, 1
"""The token that ends a sequence, and, read by a decoder, begins one; and the one for what was never seen."""
SPECIALS = ("</s>", UNKNOWN)


@final
class TranslationVocabulary:
    """TextInput of one language to token numbers and back.

    Its numbers are its own: the end, what was never seen, then the tokens of `vocabulary` that its training
    texts have. So two sides may share a vocabulary, and still neither has a vector or a chance for a token
    that only the other one has.

    Args:
        unit: what a token is.
        vocabulary: cuts texts into tokens.
        tokens: of these, the numbers (in the vocabulary) that occur.

    >>> side = TranslationVocabulary.fit("word", Vocabulary.fit("word", ["a b c"]), ["c a"])
    >>> side.encode("c b a").tolist(), side.decode(side.encode("c a"))
    ([3, 1, 2, 0], 'c a')
    """

    def __init__(self, unit: Unit, vocabulary: Vocabulary, tokens: Sequence[int]) -> None:
        self.unit: Unit = unit
        self.vocabulary = vocabulary
        self.tokens = [int(token) for token in tokens]
        self._numbers = numpy.full(len(vocabulary), UNSEEN, dtype=numpy.int64)
        self._numbers[self.tokens] = numpy.arange(len(self.tokens)) + len(SPECIALS)

    @classmethod
    def fit(cls, unit: Unit, vocabulary: Vocabulary, texts: Iterable[str]) -> TranslationVocabulary:
        """Number the tokens that occur in `texts`."""
        found: set[int] = set()
        for text in texts:
            found.update(vocabulary.encode(plain(unit, text)))
        return cls(unit, vocabulary, sorted(found - {vocabulary.unknown}))

    def __len__(self) -> int:
        return len(self.tokens) + len(SPECIALS)

    def encode(self, text: str) -> numpy.ndarray:
        """Token numbers of `text`, the end included, int64."""
        numbers = self._numbers[self.vocabulary.encode(plain(self.unit, text))]
        return numpy.append(numbers, END)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text that `numbers` stand for, their specials left out."""
        tokens = [self.tokens[number - len(SPECIALS)] for number in numbers if number >= len(SPECIALS)]
        return self.vocabulary.decode(tokens).strip()

    def words(self, numbers: Iterable[int]) -> list[str]:
        """Each token by itself, as a person reads it."""
        return [SPECIALS[number] if number < len(SPECIALS) else self.decode([number]) for number in numbers]


def plain(unit: Unit, text: str) -> str:
    """`text` with single spaces; for byte pairs one before it too, so that a word is the same at its head."""
    joined = " ".join(text.split())
    return f" {joined}" if unit == "bpe" else joined
