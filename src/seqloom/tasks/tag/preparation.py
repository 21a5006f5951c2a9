"""Tagged sentences to batches: the vocabulary of words, characters and tags of a tagger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, final

import numpy
import torch
from pydantic import Field, model_validator
from torch import Tensor

from seqloom.baselines.majority import PairCounts
from seqloom.data.batching import IGNORE_INDEX, Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.formats.conll import MAX_TOKENS
from seqloom.data.tables.records import Example, Records, encode_examples
from seqloom.data.text.vocabulary import UNKNOWN
from seqloom.errors import DataError, nearest
from seqloom.metrics.entity_f1 import OUTSIDE
from seqloom.models.sequence_tagger import CHARACTER_PADDING
from seqloom.stored import Count, Name, StoredValue, mistake, read_stored, require_distinct
from seqloom.tasks.tag.config import DataConfig
from seqloom.tasks.tag.schemes import (
    STRAY_OUTSIDE,
    count_stray,
    describe_scheme,
    name_scheme,
    neighbors,
    recognize_scheme,
)

WORDS = "words.json"
COLUMNS = ("tokens", "tags")
UNKNOWN_CHARACTER = CHARACTER_PADDING + 1


class TaggedSentence(NamedTuple):
    """A sentence, encoded."""

    tokens: tuple[str, ...]
    words: numpy.ndarray
    """(T,)"""
    characters: numpy.ndarray
    """(T, longest word), or (T, 0)"""
    tags: numpy.ndarray
    """(T,), or (0,) where they are to be predicted"""


class SentenceBatch(NamedTuple):
    """A batch of sentences, with their tokens for reports."""

    words: Tensor
    lengths: Tensor
    characters: Tensor
    tags: Tensor
    tokens: tuple[tuple[str, ...], ...]


def collate(sentences: list[TaggedSentence]) -> SentenceBatch:
    """Pad sentences to a batch."""
    widest = max(sentence.characters.shape[1] for sentence in sentences)
    characters = [
        numpy.pad(sentence.characters, ((0, 0), (0, widest - sentence.characters.shape[1])))
        for sentence in sentences
    ]
    words = [sentence.words for sentence in sentences]
    tags = pad([sentence.tags for sentence in sentences], IGNORE_INDEX)
    tokens = tuple(sentence.tokens for sentence in sentences)
    return SentenceBatch(pad(words), lengths_of(words), pad(characters, CHARACTER_PADDING), tags, tokens)


def read_tokens(where: object, value: Any) -> tuple[str, ...]:
    """The tokens of a sentence: a list, or a text with spaces between them; at least one.

    Raises:
        DataError: something else.
    """
    tokens = value.split() if isinstance(value, str) else value
    if not isinstance(tokens, Sequence) or not all(isinstance(token, str) and token for token in tokens):
        raise DataError(where, "tokens must be a list of texts, none empty", got=f"{value!r:.60}")
    if len(tokens) > MAX_TOKENS:
        expected = f"a sentence must have at most {MAX_TOKENS:,} tokens"
        raise DataError(where, expected, got=f"{len(tokens):,}")
    if not tokens:
        raise DataError(where, "expected at least one token", got="an empty sentence")
    return tuple(tokens)


def read_tagged(example: Example) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tokens and the tags of an example, as many tags as tokens.

    Raises:
        DataError: something else.
    """
    tokens, tags = read_tokens(example.place, example.fields.get("tokens")), example.fields.get("tags")
    tags = tags.split() if isinstance(tags, str) else tags
    if not isinstance(tags, Sequence) or not all(isinstance(tag, str) and tag for tag in tags):
        raise DataError(example.place, "tags must be a list of texts, none empty", got=f"{tags!r:.60}")
    if len(tags) != len(tokens):
        raise DataError(example.place, f"expected as many tags as tokens, {len(tokens)}", got=len(tags))
    return tokens, tuple(tags)


class _StoredWords(StoredValue):
    """What `files` writes."""

    words: dict[Name, dict[Name, Count]] = Field(min_length=1)
    characters: str
    scheme: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_distinct(self.characters)
        if not all(self.words.values()):
            raise mistake("a word without tags")
        return self


@final
class Preparation:
    """The words, characters and tags of the training split.

    Args:
        words: the counts of each word's tags; words left out of the vocabulary are counted as the unknown
        one.
        characters: the known characters, in order.
        lowercase: whether words are looked up in lowercase.
        scheme_name: of the scheme by which tags mark entities, as training sentences have it.
        stray: how often training has `o` for `O`.
    """

    unit, column = "token", "tokens"

    def __init__(
        self,
        words: Mapping[str, Mapping[str, int]],
        characters: str,
        lowercase: bool,
        scheme_name: str | None = None,
        stray: int = 0,
    ) -> None:
        self.words, self.characters, self.lowercase = words, characters, lowercase
        self.tags = sorted({tag for counts in words.values() for tag in counts})
        self.scheme, self.stray = recognize_scheme(self.tags), stray
        self.scheme_name = scheme_name or (self.scheme.name if self.scheme else None)
        known_words = [word for word in words if word != UNKNOWN]
        self._numbers = {word: number for number, word in enumerate([UNKNOWN, *known_words])}
        self.seen_once = torch.tensor(
            [False, *(sum(words[word].values()) == 1 for word in known_words)], device="cpu"
        )
        self._tags = {tag: number for number, tag in enumerate(self.tags)}
        if OUTSIDE in self._tags:
            self._tags.setdefault(STRAY_OUTSIDE, self._tags[OUTSIDE])
        self._characters = {character: number for number, character in enumerate(characters, 2)}

    @classmethod
    def fit(cls, sentences: Iterable[tuple[Sequence[str], Sequence[str]]], config: DataConfig) -> Preparation:
        """Count the words, tags and characters of tagged sentences."""
        counts: dict[str, Counter[str]] = {}
        characters: Counter[str] = Counter()
        pairs: set[tuple[str, str]] = set()
        for tokens, tags in sentences:
            characters.update("".join(tokens) if config.spelling else "")
            pairs.update(neighbors(tags))
            for token, tag in zip(tokens, tags, strict=True):
                counts.setdefault(token.lower() if config.lowercase else token, Counter())[tag] += 1
        stray = count_stray(counts)
        for of_word in counts.values() if stray else ():
            of_word[OUTSIDE] += of_word.pop(STRAY_OUTSIDE, 0)
        scheme = recognize_scheme(tag for of_word in counts.values() for tag in of_word)
        name = name_scheme(scheme, pairs) if scheme else None
        # By falling count, then by spelling, so that the order never depends on that of the sentences.
        ordered = sorted(counts, key=lambda word: (-counts[word].total(), word))
        size = None if config.vocabulary_size is None else config.vocabulary_size - 1
        words = {word: dict(sorted(counts[word].items())) for word in ordered[:size]}
        rest = sum((counts[word] for word in ordered[len(words) :]), Counter[str]())
        if rest:
            words[UNKNOWN] = dict(sorted((Counter(words.get(UNKNOWN, {})) + rest).items()))
        # Characters that occur once are left out, so that the unknown character is trained.
        known_characters = "".join(sorted(c for c, n in characters.items() if n > 1))
        return cls(words, known_characters, config.lowercase, name, stray)

    @classmethod
    def load(cls, folder: Path, config: DataConfig) -> Preparation:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: the file is missing or damaged.
        """
        stored = read_stored(folder / WORDS, _StoredWords, "expected the words of a tagger")
        return cls(stored.words, stored.characters, config.lowercase, stored.scheme)

    def __len__(self) -> int:
        """Number of words, the unknown one included."""
        return len(self._numbers)

    def counts(self) -> PairCounts:
        """How often each word was there with each tag in training."""
        num_tags = len(self.tags)
        of_pairs = {
            number * num_tags + self._tags[tag]: count
            for word, number in self._numbers.items()
            for tag, count in self.words.get(word, {}).items()
        }
        pairs = numpy.fromiter(of_pairs, numpy.int64, len(of_pairs))
        order = pairs.argsort()
        counts = numpy.fromiter(of_pairs.values(), numpy.int64, len(of_pairs))
        return PairCounts(pairs[order], counts[order], (len(self), num_tags))

    def files(self) -> dict[str, str]:
        """`words.json`."""
        content = {"words": self.words, "characters": self.characters, "scheme": self.scheme_name}
        return {WORDS: json.dumps(content)}

    def describe(self) -> str:
        """For example `23,624 words, 9 tags (IOB2)`."""
        stray = f"; `o` is read as `O`, {self.stray:,} times" if self.stray else ""
        scheme = describe_scheme(self.tags, self.scheme_name)
        return f"{len(self):,} words, {len(self.tags):,} tags ({scheme}{stray})"

    def encode(self, value: Any) -> TaggedSentence:
        """A sentence: a text, split at white space, or a list of tokens."""
        return self._encode_tokens(read_tokens("tag", value))

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Batches of sentences of near length."""
        encoded = encode_examples(data, split, self.encode_example, lambda row: len(row.tokens))
        items, skipped, lengths, digest = encoded
        return Buckets(items, lengths, collate, batching, skipped, digest)

    def encode_example(self, example: Example) -> TaggedSentence:
        """A tagged sentence, encoded."""
        tokens, tags = read_tagged(example)
        unknown = next((tag for tag in tags if tag not in self._tags), None)
        if unknown is not None:
            expected, hint = "each tag must be one of the training split", nearest(unknown, self.tags)
            raise DataError(example.place, expected, got=unknown, hint=hint)
        return self._encode_tokens(tokens)._replace(tags=numpy.array([self._tags[tag] for tag in tags]))

    def _encode_tokens(self, tokens: tuple[str, ...]) -> TaggedSentence:
        keys = [token.lower() for token in tokens] if self.lowercase else tokens
        words = numpy.array([self._numbers.get(token, 0) for token in keys])
        characters = numpy.zeros((len(tokens), 0), dtype=numpy.int64)
        if self.characters:
            numbers = self._characters
            spellings = [numpy.array([numbers.get(c, UNKNOWN_CHARACTER) for c in token]) for token in tokens]
            characters = pad(spellings, CHARACTER_PADDING).numpy()
        return TaggedSentence(tokens, words, characters, numpy.zeros(0, dtype=numpy.int64))
