"""What a tagger reads: sentences of a table, and what training says of their words, characters and tags."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, final

import numpy
import torch
from pydantic import Field
from torch import Tensor

from seqloom.data.batching import IGNORE_INDEX, Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import Example, Records, encode_examples
from seqloom.data.text.vocabulary import UNKNOWN
from seqloom.errors import DataError, nearest
from seqloom.metrics.entity_f1 import is_bio
from seqloom.models.sequence_tagger import NO_CHARACTER
from seqloom.settings import StrictConfig

WORDS = "words.json"
UNKNOWN_CHARACTER = NO_CHARACTER + 1


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    lowercase: bool = False
    """Words are looked up in small letters; their spelling is read as it is."""
    spelling: bool = True
    """Whether the characters of each word are read too."""
    vocabulary_size: Annotated[int, Field(ge=2)] | None = None
    """The most words, the unknown one included. None: all of training."""


class Sentence(NamedTuple):
    """A sentence, and its numbers."""

    tokens: tuple[str, ...]
    words: numpy.ndarray
    """(T,)"""
    characters: numpy.ndarray
    """(T, longest word), or (T, 0)"""
    tags: numpy.ndarray
    """(T,), or (0,) where they are asked for"""


class Sentences(NamedTuple):
    """A batch; the tokens are there for reports."""

    words: Tensor
    lengths: Tensor
    characters: Tensor
    tags: Tensor
    tokens: tuple[tuple[str, ...], ...]


def collate(sentences: list[Sentence]) -> Sentences:
    """Sentences side by side."""
    widest = max(sentence.characters.shape[1] for sentence in sentences)
    characters = [
        numpy.pad(sentence.characters, ((0, 0), (0, widest - sentence.characters.shape[1])))
        for sentence in sentences
    ]
    words = [sentence.words for sentence in sentences]
    tags = pad([sentence.tags for sentence in sentences], IGNORE_INDEX)
    tokens = tuple(sentence.tokens for sentence in sentences)
    return Sentences(pad(words), lengths_of(words), pad(characters, NO_CHARACTER), tags, tokens)


def tokens_of(where: object, value: Any) -> tuple[str, ...]:
    """A sentence as it is given, a list of tokens or a text with blanks between them; at least one."""
    tokens = value.split() if isinstance(value, str) else value
    if not isinstance(tokens, Sequence) or not all(isinstance(token, str) and token for token in tokens):
        raise DataError(where, "tokens must be a list of texts, none empty", got=f"{value!r:.60}")
    if not tokens:
        raise DataError(where, "expected at least one token", got="an empty sentence")
    return tuple(tokens)


def tagged(example: Example) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tokens and tags of an example, as many of the one as of the other."""
    tokens, tags = tokens_of(example.place, example.fields.get("tokens")), example.fields.get("tags")
    tags = tags.split() if isinstance(tags, str) else tags
    if not isinstance(tags, Sequence) or not all(isinstance(tag, str) and tag for tag in tags):
        raise DataError(example.place, "tags must be a list of texts, none empty", got=f"{tags!r:.60}")
    if len(tags) != len(tokens):
        raise DataError(example.place, f"expected as many tags as tokens, {len(tokens)}", got=len(tags))
    return tokens, tuple(tags)


@final
class Preparation:
    """What training says of words, characters and tags.

    Args:
        words: of each word how often it has each tag; the unknown one stands for those that are left out.
        characters: those of its words, in order.
        lowercase: whether words are looked up in small letters.
    """

    unit = "token"
    column = "tokens"

    def __init__(self, words: Mapping[str, Mapping[str, int]], characters: str, lowercase: bool) -> None:
        self.words, self.characters, self.lowercase = words, characters, lowercase
        self.tags = sorted({tag for counts in words.values() for tag in counts})
        self.is_bio = is_bio(self.tags)
        known = [word for word in words if word != UNKNOWN]
        self._numbers = {word: number for number, word in enumerate([UNKNOWN, *known])}
        self.seen_once = torch.tensor([False, *(sum(words[word].values()) == 1 for word in known)])
        self._tags = {tag: number for number, tag in enumerate(self.tags)}
        self._characters = {character: number for number, character in enumerate(characters, 2)}

    @classmethod
    def fit(cls, sentences: Sequence[tuple[Sequence[str], Sequence[str]]], config: DataConfig) -> Preparation:
        """Count the words of tagged sentences and their characters."""
        counts: dict[str, Counter[str]] = {}
        characters: Counter[str] = Counter()
        for tokens, tags in sentences:
            characters.update("".join(tokens) if config.spelling else "")
            for token, tag in zip(tokens, tags, strict=True):
                counts.setdefault(token.lower() if config.lowercase else token, Counter())[tag] += 1
        # By falling count, then by spelling, so that the order never depends on that of the sentences.
        ordered = sorted(counts, key=lambda word: (-counts[word].total(), word))
        size = None if config.vocabulary_size is None else config.vocabulary_size - 1
        words = {word: dict(sorted(counts[word].items())) for word in ordered[:size]}
        rest = sum((counts[word] for word in ordered[len(words) :]), Counter[str]())
        if rest:
            words[UNKNOWN] = dict(sorted((Counter(words.get(UNKNOWN, {})) + rest).items()))
        # What occurs once is left out, so that there is something to learn of characters that are not known.
        return cls(words, "".join(sorted(c for c, n in characters.items() if n > 1)), config.lowercase)

    def __len__(self) -> int:
        """Words, the unknown one included."""
        return len(self._numbers)

    def counts(self) -> numpy.ndarray:
        """How often training has each word with each tag, (V, K)."""
        counts = numpy.zeros((len(self), len(self.tags)), dtype=numpy.int64)
        for word, number in self._numbers.items():
            for tag, count in self.words.get(word, {}).items():
                counts[number, self._tags[tag]] = count
        return counts

    def files(self) -> dict[str, str]:
        """`words.json`."""
        return {WORDS: json.dumps({"words": self.words, "characters": self.characters})}

    def describe(self) -> str:
        """For example `23,624 words, 9 tags`."""
        return f"{len(self):,} words, {len(self.tags):,} tags"

    def encode(self, value: Any) -> Sentence:
        """A text, split at white space, or a list of tokens."""
        return self._sentence(tokens_of("tag", value))

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Sentences of near length side by side."""
        kept = encode_examples(data, split, self.example)
        return Buckets(kept.items, [len(item.tokens) for item in kept.items], collate, batching, kept.skipped)

    def example(self, example: Example) -> Sentence:
        """A tagged sentence, encoded."""
        tokens, tags = tagged(example)
        new = next((tag for tag in tags if tag not in self._tags), None)
        if new is not None:
            expected, hint = "each tag must be one that training has", nearest(new, self.tags)
            raise DataError(example.place, expected, got=new, hint=hint)
        return self._sentence(tokens)._replace(tags=numpy.array([self._tags[tag] for tag in tags]))

    def _sentence(self, tokens: tuple[str, ...]) -> Sentence:
        looked_up = [token.lower() for token in tokens] if self.lowercase else tokens
        words = numpy.array([self._numbers.get(token, 0) for token in looked_up])
        characters = numpy.zeros((len(tokens), 0), dtype=numpy.int64)
        if self.characters:
            known = self._characters
            spelt = [numpy.array([known.get(c, UNKNOWN_CHARACTER) for c in token]) for token in tokens]
            characters = pad(spelt, NO_CHARACTER).numpy()
        return Sentence(tokens, words, characters, numpy.zeros(0, dtype=numpy.int64))
