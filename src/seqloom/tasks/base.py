"""The contract of a task: one class, and nothing about training, files' bytes or the command line in it.

A task joins a reader, a model, a loss, a metric, a decoder and a baseline. Training, evaluation, run folders
and the command line know this contract and no named task.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, final, runtime_checkable

import numpy
from torch import Tensor, nn

from seqloom.baselines.budget import UNLIMITED, Budget
from seqloom.errors import DataError
from seqloom.settings import StrictConfig
from seqloom.state import State

if TYPE_CHECKING:
    from seqloom.data.batching import Batching, Source
    from seqloom.data.music.tune import Tune
    from seqloom.data.tables.columns import Layout
    from seqloom.decoding.options import DecodingOptions


class NoConfig(StrictConfig):
    """A part of the configuration without any keys."""


class Context(NamedTuple):
    """What a loss, an evaluation or a prediction may need beside the model and the batch."""

    preparation: Any
    model: Any
    """The task's `ModelConfig`"""
    loss: Any = NoConfig()
    """The task's `LossConfig`"""
    decoding: Any = NoConfig()
    """The task's `DecodingConfig`"""
    progress: float = 1.0
    """Fraction of the training that is done"""
    load_run: Callable[[Path], LoadedRun] | None = None
    """Reads the run folder of another model, such as a language model that helps a search"""


class Loss(NamedTuple):
    """The loss of a batch by row, so that every average is exact however rows are batched."""

    nats: Tensor
    """(rows,) summed over the row's units"""
    units: Tensor
    """(rows,) number of units, such as tokens, that the sum is over"""
    state: State | None = None
    """The state to carry into the next batch, if the source carries one"""
    counts: Mapping[str, Tensor] = MappingProxyType({})
    """(rows,) or (rows, k) tensors: further sums for metrics, such as correct answers or errors"""
    outputs: Sequence[Any] = ()
    """For each row the expected and the predicted output, as JSON values, for reports"""


class Rows(NamedTuple):
    """The losses and counts of a whole split, on the host, for metrics and bootstrap intervals.

    Every metric is a function of sums over rows, so that it is exact however rows were batched.
    """

    nats: numpy.ndarray
    units: numpy.ndarray
    counts: Mapping[str, numpy.ndarray] = MappingProxyType({})
    outputs: Sequence[Any] = ()
    spans: numpy.ndarray | None = None
    """(rows, 2) int64: the items of the split, or the tokens of its text, that a row measures, first and
    end; None where that is not known"""

    def mean(self) -> float:
        """Nats per unit."""
        return float(self.nats.sum() / self.units.sum())

    def total(self, name: str) -> numpy.ndarray:
        """The sum of the counts named `name`: a number, or (k,)."""
        return self.counts[name].sum(0)

    def take(self, rows: numpy.ndarray) -> Rows:
        """The rows of these numbers, or of this mask, without their outputs."""
        counts = {name: values[rows] for name, values in self.counts.items()}
        spans = None if self.spans is None else self.spans[rows]
        return Rows(self.nats[rows], self.units[rows], counts, spans=spans)

    def nonempty(self) -> Rows:
        """The rows with at least one unit; others, such as the warm-up of a stream, count for nothing."""
        mask = self.units > 0
        return self if mask.all() else self.take(mask)

    @staticmethod
    def join(parts: Sequence[Rows]) -> Rows:
        """All rows of `parts`, in order; empty parts may lack counts."""
        parts = [part for part in parts if len(part.nats)] or parts[:1]
        counts = {name: numpy.concatenate([part.counts[name] for part in parts]) for name in parts[0].counts}
        nats = numpy.concatenate([part.nats for part in parts])
        units = numpy.concatenate([part.units for part in parts])
        outputs = [output for part in parts for output in part.outputs]
        spans = [part.spans for part in parts if part.spans is not None]
        known = len(spans) == len(parts)
        return Rows(nats, units, counts, outputs, numpy.concatenate(spans) if known else None)


class Baseline(NamedTuple):
    """A trivial predictor on the same split.

    Its rows are those of the split's usable items, in their order, and one for each token after the first of
    a text, so that each can be put beside the model's (`Rows.spans`). Nats are NaN where it gives no
    probabilities.
    """

    name: str
    rows: Rows
    fitted_on: str = ""
    """Where it was not fitted on all of the training data: `40,000 of 1,000,000 rows`"""
    details: Mapping[str, Any] = MappingProxyType({})
    """Further JSON values for a report, such as scores of other trivial predictors"""


class Metric(NamedTuple):
    """The name of a score, and its direction."""

    name: str
    higher_is_better: bool


class Output(NamedTuple):
    """An answer of a model: a line of text for a pipe, and details as JSON values."""

    text: str
    details: Mapping[str, Any] = MappingProxyType({})


def loss_score(rows: Rows, unit: str) -> dict[str, float]:
    """The loss by its name; empty where there are no probabilities to compute it from."""
    mean = rows.mean()
    return {} if math.isnan(mean) else {f"loss_nats_per_{unit}": mean}


class Data(Protocol):
    """Data as `data.read` returns it: its path and its splits."""

    @property
    def path(self) -> Path:
        """The file or folder."""
        ...

    @property
    def splits(self) -> Mapping[str, Any]:
        """`train` and `validation`, perhaps `test`: the examples of each."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """What a person should know of it, a line each: files that were passed over, rows in two splits."""
        ...

    def describe(self) -> str:
        """A few words for a person: the size of each split."""
        ...


class Preparation(Protocol):
    """A value that turns examples into tensors and back: vocabularies, scalers. JSON on disk."""

    @property
    def unit(self) -> str:
        """What a loss is counted per: `character`, `word`, `token` …"""
        ...

    def files(self) -> dict[str, str]:
        """Its files in a run folder: name to JSON text."""
        ...

    def source(self, data: Any, split: str, batching: Batching) -> Source:
        """The batches of a split of `data`; `all` is the whole of it."""
        ...

    @property
    def column(self) -> str:
        """The column of a table that is the input: `text`, `source`, `file` …"""
        ...

    def encode(self, value: Any) -> Any:
        """An input as a user gives it (a text, the path of a file, numbers), encoded for `predict`.

        Raises:
            DataError: it cannot be used.
        """
        ...

    def describe(self) -> str:
        """A few words for a person: `66 characters`."""
        ...


class Task(ABC):
    """One way from data to a trained model and its answers.

    It is the one base class of the package: what most tasks do alike is written here, once, so that a task
    states only what is its own. A task holds no data; everything it needs is passed to it.
    """

    name: ClassVar[str]
    """The word on the command line."""
    shape: ClassVar[str]
    """`one-to-one`, `one-to-many`, `many-to-one` or `many-to-many`."""
    data_description: ClassVar[str] = "any data, if it is chosen by name"
    """The data it takes, in words: `plain text`."""
    reads: ClassVar[type] = object
    """The type of data it takes: `TextCorpus` or `Records`, as `data.read` returns it."""
    DataConfig: ClassVar[type[StrictConfig]] = NoConfig
    """The `data.*` keys, for `prepare`."""
    ModelConfig: ClassVar[type[StrictConfig]]
    """The `model.*` keys, for `build`."""
    LossConfig: ClassVar[type[StrictConfig]] = NoConfig
    """The `loss.*` keys, which `loss` reads as `context.loss`."""
    DecodingConfig: ClassVar[type[StrictConfig]] = NoConfig
    """The `decoding.*` keys, which `evaluate_batch` and `predict` read as `context.decoding`. Its defaults
    are fast, as validation during training uses them."""
    training_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Defaults of `training.*` keys that differ from everyone's."""
    more_toy_data: ClassVar[Mapping[str, Callable[[Path, int], str]]] = MappingProxyType({})
    """What writes made-up data of other kinds than `write_toy_data` does, by kind."""

    def accepts(self, data: Any) -> str | None:
        """Why this task fits `data`, as `plain text`; None where it does not, or is for those who name it."""
        del data
        return None

    def pipeline_tag(self, preparation: Any) -> str | None:
        """What model hubs call the task, such as `text-classification`; None: they have no name for it."""
        del preparation
        return None

    @final
    def require(self, data: Data) -> None:
        """Check that `data` is of the type that this task reads.

        Raises:
            DataError: it is not.
        """
        if not isinstance(data, self.reads):
            columns = ", ".join(getattr(data, "columns", ()))
            got = f"a table with columns {columns}" if columns else "plain text"
            raise DataError(data.path, f"the task {self.name} takes {self.data_description}", got=got)

    @property
    def layout(self) -> Layout | None:
        """The columns that this task reads and predicts, if it alone has them, such as `text` and `stars`."""
        return None

    @abstractmethod
    def prepare(self, data: Any, config: Any) -> Preparation:
        """Fit vocabularies or scalers to the training split."""

    @abstractmethod
    def restore(self, folder: Path, config: Any) -> Preparation:
        """The preparation that `Preparation.files` wrote into `folder`."""

    @abstractmethod
    def build(self, preparation: Any, config: Any) -> nn.Module:
        """The untrained model, with a `device`, and `initial_state(rows)` if its source carries a state."""

    @abstractmethod
    def loss(self, model: Any, batch: Any, state: State | None, context: Context) -> Loss:
        """The loss of the batch in training, from `state` on."""

    def evaluate_batch(self, model: Any, batch: Any, state: State | None, context: Context) -> Loss:
        """The loss for reports, without what belongs to training only, such as label smoothing.

        Where metrics need outputs, this decodes them and counts matches. By default it is `loss`.
        """
        return self.loss(model, batch, state, context)

    def divide(self, preparation: Any, data: Any) -> Data:
        """The data with the splits that the preparation makes of it; by default those that it has."""
        del preparation
        return data

    def evaluated(self, preparation: Any, decoding: Any) -> Preparation:
        """The preparation whose sources give what `decoding.*` asks to be measured; by default the same."""
        del decoding
        return preparation

    def calibrate(self, model: Any, preparation: Any, data: Any, context: Context) -> Preparation:
        """The preparation with what is learnt of the validation split once training is over; by default it
        is the same."""
        del model, data, context
        return preparation

    @abstractmethod
    def predict(self, model: Any, items: Sequence[Any], context: Context) -> list[Output]:
        """Answers to encoded inputs, by a decoder over a step callable where there is one."""

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Metrics by their usual names, the loss first; of what `loss` counts, or `evaluate_batch`."""
        return loss_score(rows, unit)

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """The one of `scores` by which a report compares the model with the baseline, and by which the best
        weights are chosen in training, from scores of the validation split: by default the loss."""
        return Metric(next(iter(scores)), higher_is_better=False)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """Further JSON values for a report, such as the worst rows.

        A person sees each by its form: mappings of mappings as a table; those of counts as the confusion of
        an expected with a predicted label; a list with one line an item, shortened; else as one value.
        """
        del rows
        return {}

    @abstractmethod
    def baseline(
        self, preparation: Any, data: Any, split: str, budget: Budget = UNLIMITED
    ) -> Baseline | None:
        """The trivial predictor that every report shows beside the model; None where there can be none.

        One that is more than counting takes no more time than `budget` has, and says what it was fitted on.
        """

    @abstractmethod
    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Write a small made-up data set that this task alone accepts; what it is, in a sentence."""


class LoadedRun(NamedTuple):
    """A trained model, read from its run folder."""

    task: Task
    preparation: Any
    model: Any
    """In evaluation mode, on the CPU"""


@runtime_checkable
class TextGeneration(Protocol):
    """The capability of a task whose model is a language model: to continue a prompt.

    Its preparation has a `vocabulary`, and its model `step(tokens, state) → (logits, state)`.
    """

    def generate(
        self, model: Any, prompts: Sequence[Sequence[int]], options: DecodingOptions
    ) -> list[list[int]]:
        """The tokens that continue each of `prompts`, rows of token numbers; stops left out."""
        ...

    def stream(self, model: Any, prompt: Sequence[int], options: DecodingOptions) -> Iterator[int]:
        """The tokens that continue one prompt, as they are chosen."""
        ...


@runtime_checkable
class AudioStreaming(Protocol):
    """The capability of a task whose model transcribes audio while it is recorded."""

    def transcribe_stream(
        self, model: Any, chunks: Iterable[numpy.ndarray], context: Context
    ) -> Iterator[str]:
        """The text of samples (n,) float32 from -1 to 1, in chunks of any sizes, piece by piece.

        Raises:
            ConfigError: the model or the decoding needs the whole recording.
        """
        ...


@runtime_checkable
class Composition(Protocol):
    """The capability of a task whose model writes tunes."""

    def compose(self, model: Any, primers: Sequence[Tune | None], context: Context) -> list[Tune]:
        """A tune for each primer, which is its beginning; None: from nothing."""
        ...


@runtime_checkable
class Comparison(Protocol):
    """The capability of a task whose report compares what the model writes with the data."""

    def compare(self, model: Any, data: Any, split: str, context: Context) -> Mapping[str, Any]:
        """Further `details` of a report, as JSON values."""
        ...
