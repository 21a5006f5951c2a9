"""Pairs of texts, cut into tokens and put side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, final

import numpy
from torch import Tensor

from seqloom.data.batching import IGNORE_INDEX, Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import Example, Records, encode_examples
from seqloom.data.text.vocabulary import Unit, Vocabulary
from seqloom.errors import DataError, RunError
from seqloom.tasks.translate.vocabulary import END, TranslationVocabulary, plain

SIDES = ("source", "target")
TOKENIZER = "tokenizer.json"
NUMBERS = "tokens.json"


class Sentence(NamedTuple):
    """A text, and its numbers, the end included."""

    text: str
    numbers: numpy.ndarray


class Pair(NamedTuple):
    """An example."""

    source: Sentence
    target: Sentence


class Pairs(NamedTuple):
    """A batch. `inputs` begin with the end token, `targets` end with it; texts are there for reports."""

    source: Tensor
    source_lengths: Tensor
    inputs: Tensor
    targets: Tensor
    texts: tuple[tuple[str, str], ...]


def collate(pairs: list[Pair]) -> Pairs:
    """Pairs side by side."""
    targets = [pair.target.numbers for pair in pairs]
    sources = [pair.source.numbers for pair in pairs]
    inputs = pad([numpy.concatenate(([END], numbers[:-1])) for numbers in targets], END)
    texts = tuple((pair.source.text, pair.target.text) for pair in pairs)
    return Pairs(pad(sources, END), lengths_of(sources), inputs, pad(targets, IGNORE_INDEX), texts)


@final
class Preparation:
    """Two languages.

    Args:
        source, target: how each is cut and numbered.
        lowercase: whether texts are read in small letters.
    """

    column = SIDES[0]

    def __init__(self, source: TranslationVocabulary, target: TranslationVocabulary, lowercase: bool) -> None:
        self.source_side, self.target_side, self.lowercase = source, target, lowercase
        self.unit = "token" if source.unit == "bpe" else source.unit

    @classmethod
    def fit(
        cls, pairs: Sequence[tuple[str, str]], unit: Unit, size: int | None, shared: bool, lowercase: bool
    ) -> Preparation:
        """Fit a vocabulary of `size` to each side of `pairs`, or, where it is `shared`, one to both."""
        sides = [[_lower(pair[number], lowercase) for pair in pairs] for number in range(len(SIDES))]
        fitted = [sides[0] + sides[1]] * 2 if shared else sides
        cuts = [Vocabulary.fit(unit, (plain(unit, text) for text in texts), size) for texts in fitted]
        source, target = (
            TranslationVocabulary.fit(unit, cut, texts) for cut, texts in zip(cuts, sides, strict=True)
        )
        return cls(source, target, lowercase)

    @classmethod
    def load(cls, folder: Path, unit: Unit, lowercase: bool) -> Preparation:
        """Read what `files` holds from a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        try:
            tokens = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(folder / NUMBERS, "expected a JSON file", got=str(error)) from None
        source, target = (
            TranslationVocabulary(unit, Vocabulary.load(folder / f"{name}-{TOKENIZER}"), tokens[name])
            for name in SIDES
        )
        return cls(source, target, lowercase)

    def files(self) -> dict[str, str]:
        """A vocabulary for each side, and which of its tokens occur there."""
        sides = dict(zip(SIDES, (self.source_side, self.target_side), strict=True))
        vocabularies = {f"{name}-{TOKENIZER}": side.vocabulary.to_json() for name, side in sides.items()}
        return {**vocabularies, NUMBERS: json.dumps({name: side.tokens for name, side in sides.items()})}

    def describe(self) -> str:
        """For example `7,900 tokens to 6,800 tokens`."""
        return f"{len(self.source_side):,} {self.unit}s to {len(self.target_side):,} {self.unit}s"

    def encode(self, value: str) -> Sentence:
        """A text, encoded.

        Raises:
            DataError: it is none, or has nothing but white space.
        """
        if not isinstance(value, str) or not value.strip():
            raise DataError("translate", "what to translate must be a text that is not empty", got=value)
        return self._sentence(value, self.source_side)

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Pairs of near length side by side."""
        kept = encode_examples(data, split, self._pair)
        lengths = [(len(pair.source.numbers), len(pair.target.numbers)) for pair in kept.items]
        return Buckets(kept.items, lengths, collate, batching, kept.skipped)

    def _pair(self, example: Example) -> Pair:
        source, target = texts_of(example)
        return Pair(self._sentence(source, self.source_side), self._sentence(target, self.target_side))

    def _sentence(self, text: str, side: TranslationVocabulary) -> Sentence:
        return Sentence(text, side.encode(_lower(text, self.lowercase)))


def texts_of(example: Example) -> tuple[str, str]:
    """Source and target.

    Raises:
        DataError: one of them is missing or empty.
    """
    source, target = (example.text(name) for name in SIDES)
    return source, target


def _lower(text: str, lowercase: bool) -> str:
    return text.lower() if lowercase else text
