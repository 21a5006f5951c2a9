"""TextInput that a classifier reads: words or other tokens, the parts of words, and pretrained vectors."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, final

import numpy
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from seqloom.data.text.char_ngrams import CharNgrams
from seqloom.data.text.vocabulary import UNKNOWN, Unit, Vocabulary
from seqloom.data.text.word_vectors import WordVectors, read_vectors
from seqloom.errors import ConfigError, DataError

TOKENIZER, SUBWORDS, VECTORS = "tokenizer.json", "subwords.json", "vectors.json"
MOST_WORDS = 50_000
KEPT_WORDS = 1 << 16
WORDS = r"\w+(?=n't\b)|n't\b|'\w+|\w+|[^\w\s]"
"""Words, and each sign by itself. English contractions come apart as in the Penn Treebank: do n't, it 's."""


class TextOptions(NamedTuple):
    """How texts become tokens: see the `data.*` keys."""

    unit: Unit
    vocabulary_size: int | None
    subwords: bool | None
    vectors: str | None


class VectorsOutline(NamedTuple):
    """What is remembered of pretrained vectors, once they are among a model's weights."""

    file: str
    size: int
    words: int
    """Words of the vocabulary that have one"""


@final
class TextInput:
    """TextInput in tokens.

    Args:
        vocabulary: the tokens.
        subwords: their parts.
        outline: of the pretrained vectors with which training began.
        vectors: themselves, while a training begins.
    """

    kind: Literal["text"] = "text"

    def __init__(
        self,
        vocabulary: Vocabulary,
        subwords: CharNgrams | None = None,
        outline: Sequence[Any] | None = None,
        vectors: WordVectors | None = None,
    ) -> None:
        self.vocabulary, self.subwords, self.vectors = vocabulary, subwords, vectors
        self.outline = None if outline is None else VectorsOutline(*outline)
        self._numbers = vocabulary.tokenizer.get_vocab()
        # Most words come again and again; those that do not must not fill the memory of a long service.
        self._row = lru_cache(KEPT_WORDS)(self._word)

    @classmethod
    def fit(cls, texts: Sequence[str], options: TextOptions) -> TextInput:
        """A vocabulary of the texts, and the parts and the pretrained vectors of its words.

        Raises:
            ConfigError: parts of what are no words.
            DataError: the vectors cannot be read.
        """
        unit, size, with_subwords, vectors_path = options
        if with_subwords and unit != "word":
            raise ConfigError("data.subwords", "must be false where data.unit is not word", got=unit)
        vocabulary = (
            words_of(texts, size or MOST_WORDS) if unit == "word" else Vocabulary.fit(unit, texts, size)
        )
        words = sorted(vocabulary.tokenizer.get_vocab())
        subwords = CharNgrams.fit(words) if unit == "word" and with_subwords is not False else None
        subwords = subwords or None  # a few short words share none
        if vectors_path is None:
            return cls(vocabulary, subwords)
        vectors = read_vectors(vectors_path, words)
        outline = VectorsOutline(Path(vectors_path).name, vectors.size, len(vectors.words))
        return cls(vocabulary, subwords, outline, vectors)

    @classmethod
    def load(cls, folder: Path) -> TextInput:
        """Read what `files` gave from a run folder.

        Raises:
            RunError: the vocabulary is missing or damaged.
        """
        subwords, outline = (folder / name for name in (SUBWORDS, VECTORS))
        return cls(
            Vocabulary.load(folder / TOKENIZER),
            CharNgrams.from_json(subwords.read_text(encoding="utf-8")) if subwords.exists() else None,
            json.loads(outline.read_text(encoding="utf-8")) if outline.exists() else None,
        )

    @property
    def unknown(self) -> int:
        """The number of a token that the vocabulary does not have; byte-level ones have them all."""
        found = self.vocabulary.unknown
        return len(self.vocabulary) if found is None else found

    @property
    def token_count(self) -> int:
        """Tokens, the unknown one among them."""
        return max(len(self.vocabulary), self.unknown + 1)

    def steps(self, value: Any, where: str | None) -> numpy.ndarray:
        """Token numbers (T,) int64; with subwords (T, 1 + P) int32, those of a token's parts beside it.

        A text of which nothing is left is one unknown token.

        Raises:
            DataError: no text, or an empty one.
        """
        text = take_text(value, where)
        if self.subwords is None:
            return numpy.array(self.vocabulary.encode(text) or [self.unknown], dtype=numpy.int64)
        return numpy.stack([self._row(word) for word in cut(self.vocabulary, text) or [""]])

    def _word(self, word: str) -> numpy.ndarray:
        """The number of a word, and those of its parts."""
        assert self.subwords is not None
        own = numpy.array([self._numbers.get(word, self.unknown)], dtype=numpy.int32)
        return numpy.concatenate([own, self.subwords.encode(word)])

    def numbers(self, words: Sequence[str]) -> list[int]:
        """Of words that the vocabulary has."""
        return [self._numbers[word] for word in words]

    def files(self) -> dict[str, str]:
        """The vocabulary, its parts, and what is remembered of the vectors."""
        subwords = {} if self.subwords is None else {SUBWORDS: self.subwords.to_json()}
        outline = {} if self.outline is None else {VECTORS: json.dumps(self.outline)}
        return {TOKENIZER: self.vocabulary.to_json(), **subwords, **outline}

    def describe(self) -> str:
        """For example `14,830 tokens, 13,002 of them with a vector of glove.6B.100d.txt`."""
        words = f"{len(self.vocabulary):,} tokens"
        parts = "" if self.subwords is None else f", {len(self.subwords):,} parts of words"
        if self.outline is None:
            return words + parts
        return f"{words}, {self.outline.words:,} of them with a vector of {self.outline.file}{parts}"


def take_text(value: Any, where: str | None) -> str:
    """A text that is not empty."""
    if isinstance(value, str) and value.strip():
        return value
    got = "nothing" if value is None or isinstance(value, str) else f"{value!r:.60}"
    raise DataError(where or "classify", "`text` must be a text", got=got)


def words_of(texts: Sequence[str], size: int) -> Vocabulary:
    """The commonest words of the texts: small letters, signs apart.

    >>> vocabulary = words_of(["It's good, isn't it?"], size=50)
    >>> [vocabulary.tokenizer.id_to_token(n) for n in vocabulary.encode("Isn't it bad?")]
    ['is', "n't", 'it', '<unk>', '?']
    """
    tokenizer = Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), "removed", invert=True)
    vocabulary = Vocabulary(tokenizer)
    counts = Counter(word for text in texts for word in cut(vocabulary, text))
    # By falling count, then by spelling, so that the order of the rows does not matter.
    kept = sorted(counts, key=lambda word: (-counts[word], word))[: size - 1]
    numbers = {word: number for number, word in enumerate([UNKNOWN, *kept])}
    tokenizer.model = models.WordLevel(numbers, unk_token=UNKNOWN)
    return vocabulary


def cut(vocabulary: Vocabulary, text: str) -> list[str]:
    """The words of a text as its vocabulary spells them, known or not."""
    tokenizer = vocabulary.tokenizer
    text = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]
