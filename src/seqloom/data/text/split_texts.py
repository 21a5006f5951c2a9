"""Texts of a table as numbers of words, once: every word that occurs has a number, whatever a model knows.

The parts of a text between spaces repeat themselves, so each is split into words only once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy

from seqloom.data.parallel import map_ahead
from seqloom.data.ragged import Parts, Ragged, make_ragged
from seqloom.data.tables.examples import Examples
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.data.text.words import fit_counts, split_words
from seqloom.progress import phase

WORDS = "words.json"
MAX_REMEMBERED = 1 << 20
"""Parts of texts whose words are remembered"""


class SplitTexts(NamedTuple):
    """The words of texts."""

    codes: Ragged
    """The numbers of each text's words; a text without any has the number 0."""
    words: list[str]
    """The words by their number, as a vocabulary of `fit_words` spells them; the first is empty."""

    def count_words(self) -> numpy.ndarray:
        """How often each word occurs, (number of words,)."""
        counts = numpy.zeros(len(self.words), dtype=numpy.int64)
        for chunk in self.codes.chunks():
            counts += numpy.bincount(chunk, minlength=len(counts))
        return counts

    def digest(self) -> str:
        """A hash of the texts' words."""
        return hashlib.sha256(f"{self.codes.digest()} {json.dumps(self.words)}".encode()).hexdigest()


def split_texts(examples: Examples, column: str, vocabulary: Vocabulary, split: str) -> SplitTexts:
    """Split texts into words; those of a large table once, into the cache.

    Args:
        examples: rows whose `column` is a text.
        column: its name.
        vocabulary: one of `fit_words`, which says how texts are split; what it knows makes no difference.
        split: for the progress line.

    Raises:
        RunError: the cache cannot be written.
    """
    splitter = _Splitter(vocabulary)

    def finish(folder: Path | None) -> None:
        if folder is not None:
            (folder / WORDS).write_text(json.dumps(splitter.words), encoding="utf-8")

    def parts() -> Parts:
        with phase(f"splitting {split} into words", total=len(examples)) as splitting:
            texts = (batch.texts(column) for batch in examples.batches())
            for between_spaces in map_ahead(_split_at_spaces, texts):
                codes, lengths = splitter.split(between_spaces)
                yield codes, lengths
                splitting.advance(len(lengths))

    key = examples.key and _key(examples.key, column, vocabulary)
    codes, folder = make_ragged("words", key, numpy.uint32, parts, finish)
    if folder is None:
        return SplitTexts(codes, splitter.words)
    return SplitTexts(codes, json.loads((folder / WORDS).read_text(encoding="utf-8")))


def fit_split(texts: SplitTexts, size: int | None = None) -> Vocabulary:
    """A vocabulary of the most frequent words of texts, at most `size` or 50,000."""
    counts = texts.count_words()
    return fit_counts({word: int(counts[number]) for number, word in enumerate(texts.words) if word}, size)


def _key(examples: str, column: str, vocabulary: Vocabulary) -> str:
    tokenizer = json.loads(vocabulary.to_json())
    rules = {name: tokenizer[name] for name in ("normalizer", "pre_tokenizer")}
    return hashlib.sha256(json.dumps([1, examples, column, rules]).encode()).hexdigest()[:32]


class _BetweenSpaces(NamedTuple):
    """Texts as parts between spaces."""

    offsets: numpy.ndarray
    """Where each text's parts begin, and where the last one's end"""
    numbers: numpy.ndarray
    """Of the parts"""
    parts: list[str]
    """By their number"""


def _split_at_spaces(texts: Any) -> _BetweenSpaces:
    import pyarrow
    import pyarrow.compute as arrow

    lists = arrow.call_function("split_pattern", [texts], arrow.SplitPatternOptions(" "))
    offsets = lists.offsets.to_numpy()
    encoded = lists.values.slice(offsets[0], offsets[-1] - offsets[0]).dictionary_encode()
    assert isinstance(encoded, pyarrow.DictionaryArray)
    numbers = encoded.indices.to_numpy(zero_copy_only=False)
    return _BetweenSpaces(offsets - offsets[0], numbers, encoded.dictionary.to_pylist())


@final
class _Splitter:
    """Numbers words in the order in which they come."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.words = [""]
        self._vocabulary = vocabulary
        self._numbers = {"": 0}
        self._remembered: dict[str, tuple[int, ...]] = {}

    def split(self, texts: _BetweenSpaces) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The numbers of the words of texts, one text after the other, and how many each has."""
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.clear()
        numbers = [self._remembered.get(part) or self._number(part) for part in texts.parts]
        counts = numpy.fromiter(map(len, numbers), dtype=numpy.int64, count=len(numbers))
        flat = numpy.fromiter(chain.from_iterable(numbers), dtype=numpy.uint32, count=int(counts.sum()))
        counts_by_part = counts[texts.numbers]
        stops = numpy.concatenate([[0], numpy.cumsum(counts_by_part)])
        # Position of each part's first word in `flat`, less its position among all words of the texts.
        shifts = (numpy.cumsum(counts) - counts)[texts.numbers] - stops[:-1]
        codes = flat[numpy.repeat(shifts, counts_by_part) + numpy.arange(stops[-1])]
        bounds = stops[texts.offsets]
        lengths = numpy.diff(bounds)
        empty = numpy.flatnonzero(lengths == 0)
        if len(empty):
            codes = numpy.insert(codes, bounds[empty], 0)
            lengths[empty] = 1
        return codes, lengths

    def _number(self, part: str) -> tuple[int, ...]:
        # Letters and digits of ASCII are one word, which needs no tokenizer.
        words = [part.lower()] if part.isascii() and part.isalnum() else split_words(self._vocabulary, part)
        for word in words:
            if word not in self._numbers:
                self._numbers[word] = len(self.words)
                self.words.append(word)
        result = tuple(self._numbers[word] for word in words)
        self._remembered[part] = result
        return result


def encode_texts(examples: Examples, column: str, vocabulary: Vocabulary, split: str) -> Ragged:
    """The token ids of texts by any vocabulary; those of a large table once, into the cache.

    A text without any token is an unknown one; where the vocabulary has none, it is numbered after the last.

    Args:
        examples: rows whose `column` is a text.
        column: its name.
        vocabulary: the tokens.
        split: for the progress line.
    """
    unknown = len(vocabulary) if vocabulary.unknown is None else vocabulary.unknown

    def parts() -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
        with phase(f"encoding {split}", total=len(examples)) as encoding:
            for batch in examples.batches():
                texts = batch.values(column)
                encoded = vocabulary.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
                rows = [row.ids or [unknown] for row in encoded]
                lengths = numpy.fromiter(map(len, rows), dtype=numpy.int32, count=len(rows))
                yield numpy.fromiter(chain.from_iterable(rows), dtype=numpy.uint32), lengths
                encoding.advance(len(rows))

    key = (
        examples.key
        and hashlib.sha256(json.dumps([1, examples.key, column, vocabulary.to_json()]).encode()).hexdigest()[
            :32
        ]
    )
    return make_ragged("tokens", key, numpy.uint32, parts)[0]
