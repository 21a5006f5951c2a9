"""Pairs of texts to batches of tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self, final

import numpy
from pydantic import model_validator
from torch import Tensor

from seqloom.data.batching import IGNORE_INDEX, Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import Example, Records, encode_examples
from seqloom.data.text.vocabulary import Unit, Vocabulary
from seqloom.errors import DataError, RunError
from seqloom.progress import phase
from seqloom.stored import DAMAGED, Count, StoredValue, read_stored, require_distinct
from seqloom.tasks.translate.vocabulary import END, TranslationVocabulary, normalize_spaces

COLUMNS = ("source", "target")
TOKENIZER = "tokenizer.json"
TOKENS = "tokens.json"


class EncodedText(NamedTuple):
    """A text, and its token numbers, the end included."""

    text: str
    numbers: numpy.ndarray


class EncodedPair(NamedTuple):
    """A text and its translation."""

    source: EncodedText
    target: EncodedText


class PairBatch(NamedTuple):
    """A batch of pairs. `inputs` begin with the end token, `targets` end with it; `texts` are for reports."""

    source: Tensor
    source_lengths: Tensor
    inputs: Tensor
    targets: Tensor
    texts: tuple[tuple[str, str], ...]


def collate(pairs: list[EncodedPair]) -> PairBatch:
    """Pad pairs to a batch."""
    targets = [pair.target.numbers for pair in pairs]
    sources = [pair.source.numbers for pair in pairs]
    inputs = pad([numpy.concatenate(([END], numbers[:-1])) for numbers in targets], END)
    texts = tuple((pair.source.text, pair.target.text) for pair in pairs)
    return PairBatch(pad(sources, END), lengths_of(sources), inputs, pad(targets, IGNORE_INDEX), texts)


class _StoredTokens(StoredValue):
    """The numbers of the tokens that occur in each language."""

    source: list[Count]
    target: list[Count]

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_distinct(self.source)
        require_distinct(self.target)
        return self


@final
class Preparation:
    """The vocabularies of two languages.

    Args:
        source, target: the vocabulary of each.
        lowercase: whether texts are read in lowercase.
    """

    column = COLUMNS[0]

    def __init__(self, source: TranslationVocabulary, target: TranslationVocabulary, lowercase: bool) -> None:
        self.source_vocabulary, self.target_vocabulary, self.lowercase = source, target, lowercase
        self.unit = "token" if source.unit == "bpe" else source.unit

    @classmethod
    def fit(
        cls, pairs: Sequence[tuple[str, str]], unit: Unit, size: int | None, shared: bool, lowercase: bool
    ) -> Preparation:
        """Fit a vocabulary of `size` to each language of `pairs`, or a `shared` one to both."""

        def texts(number: int) -> Iterator[str]:
            """Those of a language; pairs may be too many to hold."""
            return (_lower(pair[number], lowercase) for pair in pairs)

        def fit_tokens(languages: Sequence[int]) -> Vocabulary:
            each = (normalize_spaces(unit, text) for number in languages for text in texts(number))
            with phase("fitting a vocabulary", total=len(pairs) * len(languages)) as fitting:
                return Vocabulary.fit(unit, fitting.count(each), size)

        vocabularies = [fit_tokens((0, 1))] * 2 if shared else [fit_tokens((number,)) for number in (0, 1)]
        source, target = (
            TranslationVocabulary.fit(unit, vocabulary, texts(number))
            for number, vocabulary in enumerate(vocabularies)
        )
        return cls(source, target, lowercase)

    @classmethod
    def load(cls, folder: Path, unit: Unit, lowercase: bool) -> Preparation:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        path = folder / TOKENS
        tokens = read_stored(path, _StoredTokens, "expected the tokens of two languages")
        languages = []
        for name in COLUMNS:
            vocabulary, numbers = Vocabulary.load(folder / f"{name}-{TOKENIZER}"), getattr(tokens, name)
            if numbers and max(numbers) >= len(vocabulary):
                expected = f"expected tokens of {name}-{TOKENIZER}, which are {len(vocabulary):,}"
                raise RunError(path, expected, got=max(numbers), hint=DAMAGED)
            languages.append(TranslationVocabulary(unit, vocabulary, numbers))
        source, target = languages
        return cls(source, target, lowercase)

    def files(self) -> dict[str, str]:
        """The tokenizer of each language, and which of its tokens occur in it."""
        languages = dict(zip(COLUMNS, (self.source_vocabulary, self.target_vocabulary), strict=True))
        vocabularies = {
            f"{name}-{TOKENIZER}": language.vocabulary.to_json() for name, language in languages.items()
        }
        return {
            **vocabularies,
            TOKENS: json.dumps({name: language.tokens for name, language in languages.items()}),
        }

    def describe(self) -> str:
        """For example `7,900 tokens to 6,800 tokens`."""
        return f"{len(self.source_vocabulary):,} {self.unit}s to {len(self.target_vocabulary):,} {self.unit}s"

    def encode(self, value: str) -> EncodedText:
        """A text to translate, encoded.

        Raises:
            DataError: it is no text, or only white space.
        """
        if not isinstance(value, str) or not value.strip():
            raise DataError("translate", "the input must be a text that is not empty", got=value)
        return self._encode_text(value, self.source_vocabulary)

    def encode_target(self, value: str) -> EncodedText:
        """A translation, encoded.

        Raises:
            DataError: it is no text, or only white space.
        """
        if not isinstance(value, str) or not value.strip():
            raise DataError("translate", "the target must be a text that is not empty", got=value)
        return self._encode_text(value, self.target_vocabulary)

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Batches of pairs of near length."""
        items, skipped, lengths, digest = encode_examples(data, split, self._encode_pair, _measure)
        return Buckets(items, lengths, collate, batching, skipped, digest)

    def _encode_pair(self, example: Example) -> EncodedPair:
        source, target = read_pair(example)
        return EncodedPair(
            self._encode_text(source, self.source_vocabulary),
            self._encode_text(target, self.target_vocabulary),
        )

    def _encode_text(self, text: str, vocabulary: TranslationVocabulary) -> EncodedText:
        return EncodedText(text, vocabulary.encode(_lower(text, self.lowercase)))


def _measure(pair: EncodedPair) -> tuple[int, int]:
    return len(pair.source.numbers), len(pair.target.numbers)


def read_pair(example: Example) -> tuple[str, str]:
    """The source and the target of a row.

    Raises:
        DataError: one of them is missing or empty.
    """
    source, target = (example.text(name) for name in COLUMNS)
    return source, target


def _lower(text: str, lowercase: bool) -> str:
    return text.lower() if lowercase else text
