"""Texts as input: tokens, the subwords of words, and pretrained vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, final

import numpy
from pydantic import ConfigDict, Field, RootModel
from torch import Tensor

from seqloom.data.tables.examples import Examples
from seqloom.data.tables.records import EncodedExamples, Records
from seqloom.data.text.char_ngrams import CharNgrams
from seqloom.data.text.split_texts import fit_split, split_texts
from seqloom.data.text.vocabulary import UNKNOWN, Unit, Vocabulary
from seqloom.data.text.word_vectors import WordVectors, read_vectors
from seqloom.data.text.words import new_words, split_words, splits_into_words
from seqloom.errors import ConfigError, DataError
from seqloom.models.word_embedding import WordEmbeddingConfig
from seqloom.progress import phase
from seqloom.stored import Count, read_stored
from seqloom.stored import read_text as read_text_of_run
from seqloom.tasks.inputs.base import Front, TargetReader
from seqloom.tasks.rows import EncodedRow, EncodedTexts, SelectedRows, encode_selected, select_rows

T = TypeVar("T")

TOKENIZER, SUBWORDS, VECTORS = "tokenizer.json", "subwords.json", "vectors.json"
CACHED_WORDS = 1 << 16
EMBEDDING_SIZE = 128


class TextOptions(NamedTuple):
    """How texts become tokens: see the `data.*` keys."""

    unit: Unit
    vocabulary_size: int | None
    subwords: bool | None
    vectors: str | None


class VectorsSummary(NamedTuple):
    """What is left of pretrained vectors in a run folder, once they are among a model's weights."""

    file: str
    size: int
    words: int
    """Words of the vocabulary that have a vector"""


class _StoredSummary(RootModel[tuple[str, Annotated[int, Field(ge=1, le=1 << 20)], Count]]):
    """`VectorsSummary` in a run folder."""

    model_config = ConfigDict(strict=True, defer_build=True)


@final
class TextInput:
    """Texts as token numbers.

    Args:
        vocabulary: the tokens.
        subwords: the subwords of words; None: without.
        summary: of the pretrained vectors at the start of training.
        vectors: the vectors themselves, at the start of training only.
    """

    kind: ClassVar[str] = "text"
    column: ClassVar[str] = "text"
    nouns: ClassVar[str] = "texts"
    example: ClassVar[str] = "a text"
    can_be_transcribed: ClassVar[bool] = False
    pipeline_tags: ClassVar[Mapping[str, str]] = MappingProxyType({"classify": "text-classification"})

    def __init__(
        self,
        vocabulary: Vocabulary,
        subwords: CharNgrams | None = None,
        summary: Sequence[Any] | None = None,
        vectors: WordVectors | None = None,
    ) -> None:
        self.vocabulary, self.subwords, self.vectors = vocabulary, subwords, vectors
        self.summary = None if summary is None else VectorsSummary(*summary)
        self._numbers = vocabulary.tokenizer.get_vocab()
        # Most words are frequent; the others must not fill the memory of a long-running service.
        self._encode_cached = lru_cache(CACHED_WORDS)(self._encode_word)

    @classmethod
    def recognizes(cls, data: Records) -> bool:
        """By the column `text`."""
        return cls.column in data.columns

    @classmethod
    def fit(cls, data: Records, config: Any, targets: TargetReader[T]) -> tuple[TextInput, Sequence[T]]:
        """Fit a vocabulary to the training rows: see `of`."""
        rows = select_rows(data, "train", targets.columns, targets.read)
        options = TextOptions(*(getattr(config, name) for name in TextOptions._fields))
        return cls.of(rows.examples, options), rows.targets()

    @classmethod
    def of(cls, examples: Examples, options: TextOptions) -> TextInput:
        """Fit a vocabulary to texts, with the subwords and the pretrained vectors of its words.

        Raises:
            ConfigError: subwords of tokens that are no words.
            DataError: the vectors cannot be read.
        """
        unit, size, with_subwords, vectors_path = options
        if with_subwords and unit != "word":
            raise ConfigError("data.subwords", "must be false where data.unit is not word", got=unit)
        vocabulary = _fit_vocabulary(examples, unit, size)
        words = sorted(vocabulary.tokenizer.get_vocab())
        subwords = CharNgrams.fit(words) if unit == "word" and with_subwords is not False else None
        subwords = subwords or None  # it is empty where no two words share any
        if vectors_path is None:
            return cls(vocabulary, subwords)
        vectors = read_vectors(vectors_path, words)
        summary = VectorsSummary(Path(vectors_path).name, vectors.size, len(vectors.words))
        return cls(vocabulary, subwords, summary, vectors)

    @classmethod
    def load(cls, folder: Path, config: Any) -> TextInput:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: the vocabulary is missing or damaged.
        """
        del config
        subwords, summary = (folder / name for name in (SUBWORDS, VECTORS))
        return cls(
            Vocabulary.load(folder / TOKENIZER),
            CharNgrams.from_json(read_text_of_run(subwords, "expected the subwords of a run"), subwords)
            if subwords.exists()
            else None,
            read_stored(summary, _StoredSummary, "expected the vectors of a run").root
            if summary.exists()
            else None,
        )

    @property
    def unknown(self) -> int:
        """The number of unknown tokens; one more than the last where a byte-level vocabulary has none."""
        number = self.vocabulary.unknown
        return len(self.vocabulary) if number is None else number

    @property
    def token_count(self) -> int:
        """Number of tokens, the unknown one included."""
        return max(len(self.vocabulary), self.unknown + 1)

    def read(self, value: Any, where: str, is_stored: bool = True) -> numpy.ndarray:
        """Token numbers (T,) int64; with subwords (T, 1 + P) int32, each token's followed by its subwords'.

        A text without any token is one unknown token.

        Raises:
            DataError: no text, or an empty one.
        """
        text = read_text(value, where)
        if self.subwords is None:
            return numpy.array(self.vocabulary.encode(text) or [self.unknown], dtype=numpy.int64)
        return numpy.stack([self._encode_cached(word) for word in split_words(self.vocabulary, text) or [""]])

    def normalize(self, steps: numpy.ndarray, speaker: str | None = None) -> numpy.ndarray:
        """Tokens are as they are."""
        return steps

    def encode_rows(
        self, data: Records, split: str, targets: TargetReader[numpy.ndarray]
    ) -> EncodedExamples[EncodedRow]:
        """The good rows of a split."""
        rows = select_rows(data, split, targets.columns, targets.read)
        return EncodedExamples(self._encode_selected(rows, split), rows.skipped)

    def augment(self, values: Tensor, lengths: Tensor, least: Tensor | int = 1) -> tuple[Tensor, Tensor]:
        """As they are: a model drops words itself."""
        return values, lengths

    def front(self, config: Any) -> Front:
        """An embedding of words and subwords, which starts from pretrained vectors if there are any.

        Raises:
            ConfigError: the embedding has another size than the pretrained vectors.
        """
        subwords = 0 if self.subwords is None else len(self.subwords)
        words = WordEmbeddingConfig(self.token_count, self.unknown, config.word_dropout, subwords)
        pretrained = None
        if self.vectors is not None:
            pretrained = (self.numbers(self.vectors.words), self.vectors.matrix)
        if self.summary is None:
            return Front(config.embedding_size or EMBEDDING_SIZE, words, pretrained=pretrained)
        if config.embedding_size not in (None, self.summary.size):
            expected = f"must be {self.summary.size}, the size of the pretrained vectors, or none"
            raise ConfigError("model.embedding_size", expected, got=config.embedding_size)
        return Front(self.summary.size, words, pretrained=pretrained)

    def vectors_of(self, steps: numpy.ndarray) -> numpy.ndarray:
        """The numbers of tokens, which say nothing by their size."""
        return steps.reshape(len(steps), -1)

    def vectors_name(self) -> str:
        """What a baseline of `vectors_of` reads."""
        return "TF-IDF"

    def _encode_selected(self, rows: SelectedRows[numpy.ndarray], split: str) -> EncodedTexts:
        if self.subwords is None:
            return encode_selected(rows, self.vocabulary, rows.target_array(), split)
        texts = split_texts(rows.examples, "text", self.vocabulary, split)

        def look_up(codes: numpy.ndarray) -> numpy.ndarray:
            distinct, places = numpy.unique(codes, return_inverse=True)
            return numpy.stack([self._encode_cached(texts.words[code]) for code in distinct])[places]

        return EncodedTexts(rows.examples, texts.codes, look_up, rows.target_array(), texts.digest)

    def _encode_word(self, word: str) -> numpy.ndarray:
        """The number of a word, followed by those of its subwords."""
        assert self.subwords is not None
        number = numpy.array([self._numbers.get(word, self.unknown)], dtype=numpy.int32)
        return numpy.concatenate([number, self.subwords.encode(word)])

    def numbers(self, words: Sequence[str]) -> list[int]:
        """The numbers of words of the vocabulary."""
        return [self._numbers[word] for word in words]

    def files(self) -> dict[str, str]:
        """The vocabulary, its subwords, and the summary of the vectors."""
        subwords = {} if self.subwords is None else {SUBWORDS: self.subwords.to_json()}
        summary = {} if self.summary is None else {VECTORS: json.dumps(self.summary)}
        return {TOKENIZER: self.vocabulary.to_json(), **subwords, **summary}

    def describe(self) -> str:
        """For example `14,830 tokens, 13,002 of them with a vector of glove.6B.100d.txt`."""
        words = f"{len(self.vocabulary):,} tokens"
        subwords = "" if self.subwords is None else f", {len(self.subwords):,} subwords"
        if self.summary is None:
            return words + subwords
        return f"{words}, {self.summary.words:,} of them with a vector of {self.summary.file}{subwords}"

    def summarize(self, value: Any, where: str) -> str:
        """The whole text."""
        return str(value)

    def name_steps(self, value: Any, count: int) -> list[str]:
        """The tokens, those that the vocabulary does not know too."""
        if splits_into_words(self.vocabulary):
            tokens = split_words(self.vocabulary, value)
        else:
            tokens = [self.vocabulary.decode([token]) for token in self.vocabulary.encode(value)]
        return tokens or [UNKNOWN] * count


def _fit_vocabulary(examples: Examples, unit: Unit, size: int | None) -> Vocabulary:
    if unit == "word":
        return fit_split(split_texts(examples, "text", new_words(), "train"), size)
    with phase("fitting a vocabulary", total=len(examples)) as fitting:

        def read_texts() -> Iterator[str]:
            for batch in examples.batches():
                yield from batch.values("text")
                fitting.advance(len(batch))

        return Vocabulary.fit(unit, read_texts(), size)


def read_text(value: Any, where: str) -> str:
    """A text that is not empty.

    Raises:
        DataError: something else.
    """
    if isinstance(value, str) and value.strip():
        return value
    got = "nothing" if value is None or isinstance(value, str) else f"{value!r:.60}"
    raise DataError(where, "`text` must be a text", got=got)
