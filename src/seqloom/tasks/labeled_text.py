"""The base of tasks that read a text in a table and predict one of the values that training rows have."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, final

import numpy
import torch
from pydantic import ConfigDict, RootModel, model_validator
from torch import Tensor

from seqloom.baselines.budget import UNLIMITED, Budget
from seqloom.baselines.majority import class_shares
from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import map_by_length
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.columns import Layout
from seqloom.data.tables.records import EncodedExamples, Example, Records
from seqloom.data.text.split_texts import fit_split, split_texts
from seqloom.data.text.vocabulary import UNKNOWN, Vocabulary
from seqloom.data.text.words import new_words, split_words
from seqloom.errors import DataError
from seqloom.models.dropout import Dropouts
from seqloom.models.sequence_classifier import SequenceClassifier
from seqloom.models.word_embedding import WordEmbeddingConfig
from seqloom.settings import PositiveInt, StrictConfig, VocabularySize
from seqloom.state import State
from seqloom.stored import read_stored, require_distinct
from seqloom.tasks.base import Baseline, Context, Loss, Output, Rows, Task
from seqloom.tasks.model_config import CellType, RecurrentModelConfig
from seqloom.tasks.rows import (
    EncodedRow,
    RowBatch,
    accept_columns,
    bucketed,
    encode_selected,
    select_rows,
    targets_of,
)
from seqloom.tasks.tracing import ForwardPass, refuse_target

TOKENIZER, VALUES = "tokenizer.json", "values.json"


class TextDataConfig(StrictConfig):
    """The `data.*` keys."""

    vocabulary_size: VocabularySize | None = None
    """Most words of the vocabulary. None: 50,000."""


class TextModelConfig(RecurrentModelConfig):
    """The `model.*` keys."""

    cell_type: CellType = "gru"
    embedding_size: PositiveInt = 64
    """Width of a token's vector."""


class _StoredTargets(RootModel[list[str | int | float]]):
    """`Targets.values` in a run folder."""

    model_config = ConfigDict(strict=True, defer_build=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_distinct(self.root)
        return self


class Targets(NamedTuple):
    """The value that a task predicts of a row.

    Fields:
        column: where it is.
        values: those of the training split, in order.
        read: the value of a row; raises DataError where it is none.
    """

    column: str
    values: tuple[Any, ...]
    read: Callable[[Example], Any]


@final
class TextPreparation:
    """A vocabulary of words, and the values to predict.

    Args:
        vocabulary: the words of the training split.
        targets: the values of the training split.
    """

    unit, column = "example", "text"

    def __init__(self, vocabulary: Vocabulary, targets: Targets) -> None:
        self.vocabulary, self.targets = vocabulary, targets

    def files(self) -> dict[str, str]:
        """`tokenizer.json` and `values.json`."""
        return {TOKENIZER: self.vocabulary.to_json(), VALUES: json.dumps(self.targets.values)}

    def describe(self) -> str:
        """For example `1,402 words; stars: 1, 2, 3, 4, 5`."""
        values = ", ".join(map(str, self.targets.values))
        return f"{len(self.vocabulary):,} words; {self.targets.column}: {values}"

    def encode(self, value: Any) -> numpy.ndarray:
        """The token numbers (T,) of a text."""
        return self._tokens(Example(self.targets.column, {"text": value}))

    def rows(self, data: Records, split: str) -> EncodedExamples[EncodedRow]:
        """The good rows of a split."""
        data.require("text", self.targets.column)
        rows = select_rows(data, split, (self.targets.column,), self._read_target)
        texts = encode_selected(rows, self.vocabulary, rows.target_array(), split)
        return EncodedExamples(texts, rows.skipped)

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Batches of rows of near length."""
        return bucketed(self.rows(data, split), batching)

    def _read_target(self, example: Example) -> numpy.ndarray:
        column, values, read = self.targets
        value = read(example)
        if value not in values:
            raise DataError(example.place, f"`{column}` must be a value of the training rows", got=value)
        return numpy.array(values.index(value))

    def _tokens(self, example: Example) -> numpy.ndarray:
        tokens = self.vocabulary.encode(example.text("text")) or [self.vocabulary.unknown]
        return numpy.array(tokens, dtype=numpy.int64)


class LabeledTextTask(Task):
    """A task on a table with a column `text` and a column with the value to predict.

    A subclass has the name of that column and how to read it, a model over the words with an output (B, K)
    for the values, its loss, its metrics and its answers.
    """

    shape = "many-to-one"
    reads = Records
    target_column: ClassVar[str]
    """The column of the value to predict."""
    DataConfig = TextDataConfig
    ModelConfig = TextModelConfig

    def __init_subclass__(cls) -> None:
        cls.data_description = f"a table with columns text and {cls.target_column}"

    @abstractmethod
    def read_target(self, example: Example) -> Any:
        """The value of a row, which JSON can hold.

        Raises:
            DataError: there is none.
        """

    @abstractmethod
    def compute_loss(self, outputs: Tensor, targets: Tensor) -> Loss:
        """The loss of rows, and counts for metrics.

        Args:
            outputs: (B, K), whatever the model gives for each value; the baseline gives log-probabilities.
            targets: (B,) int64, the expected values by number.
        """

    @abstractmethod
    def answer(self, outputs: Tensor, values: Sequence[Any]) -> Output:
        """The answer to an input, from the model's output (K,) and the values of the training split."""

    @property
    def layout(self) -> Layout:
        """`text`, and the column of the value to predict."""
        return Layout("text", self.target_column)

    def accepts(self, data: Any) -> str | None:
        """Records with these two columns."""
        return accept_columns(data, ("text", self.target_column))

    def pipeline_tag(self, preparation: TextPreparation) -> str:
        """Classification of texts."""
        return "text-classification"

    def prepare(self, data: Records, config: TextDataConfig) -> TextPreparation:
        """Fit the vocabulary, and list the values of the training split."""
        data.require("text", self.target_column)
        rows = select_rows(data, "train", (self.target_column,), self.read_target)
        values = sorted(set(rows.distinct))
        if len(values) < 2:
            raise DataError(data.path, f"`{self.target_column}` must have two values or more", got=values[0])
        texts = split_texts(rows.examples, "text", new_words(), "train")
        targets = Targets(self.target_column, tuple(values), self.read_target)
        return TextPreparation(fit_split(texts, config.vocabulary_size), targets)

    def restore(self, folder: Path, config: TextDataConfig) -> TextPreparation:
        """Read the vocabulary and the values of a run folder."""
        values = tuple(read_stored(folder / VALUES, _StoredTargets, "expected the values of a run").root)
        vocabulary = Vocabulary.load(folder / TOKENIZER)
        return TextPreparation(vocabulary, Targets(self.target_column, values, self.read_target))

    def classifier(
        self, preparation: TextPreparation, config: TextModelConfig, output_size: int
    ) -> SequenceClassifier:
        """A bidirectional classifier over the words, for `build`."""
        words = WordEmbeddingConfig(len(preparation.vocabulary), preparation.vocabulary.unknown or 0)
        recurrent = config.recurrent_config(Dropouts.of_units(config.dropout), bidirectional=True)
        return SequenceClassifier(output_size, config.embedding_size, recurrent, words, ("max", "mean"))

    def loss(self, model: Any, batch: RowBatch, state: State | None, context: Context) -> Loss:
        """`compute_loss` of the model's output."""
        return self.compute_loss(model(batch.values, batch.lengths).float(), batch.targets)

    def predict(self, model: Any, items: Sequence[numpy.ndarray], context: Context) -> list[Output]:
        """An answer to each text."""
        values = context.preparation.targets.values

        def run(batch: list[numpy.ndarray]) -> list[Output]:
            outputs = model(pad(batch).to(model.device), lengths_of(batch).to(model.device))
            return [self.answer(row, values) for row in outputs.float().cpu()]

        return map_by_length(items, [len(item) for item in items], run)

    def forward_pass(
        self, model: Any, value: str, item: numpy.ndarray, context: Context, target: str | None = None
    ) -> ForwardPass:
        """The model reads a text, word by word."""
        refuse_target(self.name, target)
        words = split_words(context.preparation.vocabulary, value) or [UNKNOWN]

        def run() -> None:
            model(pad([item]).to(model.device), lengths_of([item]).to(model.device))

        return ForwardPass(words, run)

    def baseline(
        self, preparation: TextPreparation, data: Records, split: str, budget: Budget = UNLIMITED
    ) -> Baseline:
        """The share of each value in training as its probability, for every text."""
        train, test = (targets_of(preparation.rows(data, name).items) for name in ("train", split))
        shares = torch.from_numpy(class_shares(train, len(preparation.targets.values)))
        loss = self.compute_loss(shares.log().expand(len(test), -1), torch.from_numpy(test))
        counts = {name: values.numpy() for name, values in loss.counts.items()}
        return Baseline("share of each value", Rows(loss.nats.numpy(), loss.units.numpy(), counts))
