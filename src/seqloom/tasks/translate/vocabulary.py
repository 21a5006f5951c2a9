"""The vocabulary of one language of a translation, which numbers only the tokens that occur in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import final

import numpy

from seqloom.data.text.vocabulary import UNKNOWN, Unit, Vocabulary

END, UNSEEN = 0, 1
"""The token that ends a sequence, and begins the decoder's input; and the unknown token."""
CHUNK_TEXTS = 4096
SPECIALS = ("</s>", UNKNOWN)


@final
class TranslationVocabulary:
    """Texts of one language to token numbers and back.

    Its numbers are its own: the end, the unknown token, then the tokens of `vocabulary` in its training
    texts. So two languages may share a tokenizer, and still neither has an embedding or a probability for
    tokens that only the other one has.

    Args:
        unit: the unit of a token.
        vocabulary: the tokenizer.
        tokens: the numbers, in `vocabulary`, of the tokens that occur.

    >>> target = TranslationVocabulary.fit("word", Vocabulary.fit("word", ["a b c"]), ["c a"])
    >>> target.encode("c b a").tolist(), target.decode(target.encode("c a"))
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
        tokens: set[int] = set()
        spaced = (normalize_spaces(unit, text) for text in texts)
        while chunk := list(islice(spaced, CHUNK_TEXTS)):  # encoded on all cores
            for encoded in vocabulary.tokenizer.encode_batch_fast(chunk, add_special_tokens=False):
                tokens.update(encoded.ids)
        return cls(unit, vocabulary, sorted(tokens - {vocabulary.unknown}))

    def __len__(self) -> int:
        return len(self.tokens) + len(SPECIALS)

    def encode(self, text: str) -> numpy.ndarray:
        """Token numbers of `text`, the end included, int64."""
        numbers = self._numbers[self.vocabulary.encode(normalize_spaces(self.unit, text))]
        return numpy.append(numbers, END)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of token numbers, special tokens left out."""
        tokens = [self.tokens[number - len(SPECIALS)] for number in numbers if number >= len(SPECIALS)]
        return self.vocabulary.decode(tokens).strip()

    def words(self, numbers: Iterable[int]) -> list[str]:
        """The text of each token by itself."""
        return [SPECIALS[number] if number < len(SPECIALS) else self.decode([number]) for number in numbers]


def normalize_spaces(unit: Unit, text: str) -> str:
    """`text` with single spaces; for bpe also one before it, so that its first word has the usual tokens."""
    joined = " ".join(text.split())
    return f" {joined}" if unit == "bpe" else joined
