"""What a task is: one class, and nothing about training, files' bytes or the command line in it.

A task joins a reader, a model, a loss, a metric, a decoder and a baseline. Training, evaluation, the run
folder and the command line know this contract and no named task.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy
from torch import Tensor, nn

from seqloom.data.batching import Batching, Source
from seqloom.decoding.options import DecodingOptions
from seqloom.state import State


class Context(NamedTuple):
    """What a loss, a measurement or a prediction may need beside the model and the batch."""

    preparation: Any
    model: Any
    """The task's `ModelConfig`"""
    decoding: Any
    """The task's `DecodingConfig`"""
    progress: float = 1.0
    """Shard of the training that is done"""


class Loss(NamedTuple):
    """What a batch cost, row by row, so that every average is exact whoever shares the batch."""

    nats: Tensor
    """(rows,) summed over the row's units"""
    units: Tensor
    """(rows,) units that the row was charged for"""
    state: State | None = None
    """The state to carry into the next batch, where the source carries one"""
    counts: Mapping[str, Tensor] = MappingProxyType({})
    """(rows,) or (rows, k) each: further sums that metrics are made of, such as right answers or errors"""
    outputs: Sequence[Any] = ()
    """For each row what was expected and what came, as JSON values, for reports that show them"""


class Rows(NamedTuple):
    """The same over a whole split, on the host: what metrics and bootstrap intervals are made of.

    Every metric is a function of sums over rows, so that it is exact however the rows were batched.
    """

    nats: numpy.ndarray
    units: numpy.ndarray
    counts: Mapping[str, numpy.ndarray] = MappingProxyType({})
    outputs: Sequence[Any] = ()

    def mean(self) -> float:
        """Nats per unit."""
        return float(self.nats.sum() / self.units.sum())

    def total(self, name: str) -> numpy.ndarray:
        """The sum of what was counted under `name`: a number, or (k,)."""
        return self.counts[name].sum(0)

    def take(self, rows: numpy.ndarray) -> Rows:
        """Some of the rows: their numbers, or a mask. Their outputs are left behind."""
        counted = {name: values[rows] for name, values in self.counts.items()}
        return Rows(self.nats[rows], self.units[rows], counted)

    def charged(self) -> Rows:
        """The rows that have units; the others, as the beginning of a stream, count nothing."""
        kept = self.units > 0
        return self if kept.all() else self.take(kept)

    @staticmethod
    def join(parts: Sequence[Rows]) -> Rows:
        """All rows of `parts`, of which those without any count nothing."""
        parts = [part for part in parts if len(part.nats)] or parts[:1]
        counted = {name: numpy.concatenate([part.counts[name] for part in parts]) for name in parts[0].counts}
        nats = numpy.concatenate([part.nats for part in parts])
        units = numpy.concatenate([part.units for part in parts])
        return Rows(nats, units, counted, [output for part in parts for output in part.outputs])


class Baseline(NamedTuple):
    """A trivial predictor's rows on the same split; nats of NaN where it gives no probabilities."""

    name: str
    rows: Rows


class Metric(NamedTuple):
    """A score's name, and which way is up."""

    name: str
    higher_is_better: bool


class Output(NamedTuple):
    """What a model answers: a line for a pipe, and the same with its particulars as JSON values."""

    text: str
    details: Mapping[str, Any] = MappingProxyType({})


def loss_score(rows: Rows, unit: str) -> dict[str, float]:
    """The loss by its name; nothing where there are no probabilities to take it from."""
    mean = rows.mean()
    return {} if math.isnan(mean) else {f"loss_nats_per_{unit}": mean}


class Data(Protocol):
    """What `data.read` gives: where it came from, and its splits."""

    @property
    def path(self) -> Path:
        """Of the file or folder."""
        ...

    @property
    def splits(self) -> Mapping[str, Any]:
        """`train` and `validation`, perhaps `test`: the examples of each."""
        ...

    def describe(self) -> str:
        """A few words for a person: sizes, and what was left out."""
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
        """One input as a person gives it (a text, the Path of a file, numbers), encoded for `predict`.

        Raises:
            DataError: it cannot be used.
        """
        ...

    def describe(self) -> str:
        """A few words for a person: `66 characters`."""
        ...


class Task(Protocol):
    """One way from data to a trained model and its answers. It holds nothing: all it knows is given to it."""

    name: str
    """The word on the command line."""
    shape: str
    """`one-to-one`, `one-to-many`, `many-to-one` or `many-to-many`."""
    data_description: str
    """What data it takes, in words: `plain text`."""
    DataConfig: type[Any]
    """What `prepare` takes: the `data.*` keys."""
    ModelConfig: type[Any]
    """What `build` takes: the `model.*` keys."""
    DecodingConfig: type[Any]
    """What `measure` and `predict` find in `context.decoding`: the `decoding.*` keys. Its defaults are fast:
    validation in the course of a training uses them."""
    training_defaults: Mapping[str, Any]
    """Defaults of `training.*` keys that are this task's own."""

    def accepts(self, data: Any) -> str | None:
        """Why this task fits `data`, in words to say aloud; None where it does not."""
        ...

    def prepare(self, data: Any, config: Any) -> Preparation:
        """Fit vocabularies or scalers to the training split."""
        ...

    def restore(self, folder: Path, config: Any) -> Preparation:
        """The preparation that `Preparation.files` wrote into `folder`."""
        ...

    def build(self, preparation: Any, config: Any) -> nn.Module:
        """The model, untrained, with its `device`. If its source carries a state: `initial_state(rows)`."""
        ...

    def loss(self, model: nn.Module, batch: Any, state: State | None, context: Context) -> Loss:
        """What the batch costs in training, from `state` on."""
        ...

    def evaluate_batch(self, model: nn.Module, batch: Any, state: State | None, context: Context) -> Loss:
        """What it costs for reports, free of what only training wants, as label smoothing; where metrics need
        outputs, decode them here and count what is right."""
        ...

    def predict(self, model: Any, items: Sequence[Any], context: Context) -> list[Output]:
        """Answers to items of `Preparation.item`, by a decoder over a step callable where there is one."""
        ...

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Metrics by their usual names, from what was counted; in training that is what `loss` counts."""
        ...

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """The one of `scores` by which a report compares the model with the baseline."""
        ...

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """What else a report shows, as JSON values: how a score was computed, the worst rows."""
        ...

    def baseline(self, preparation: Any, data: Any, split: str) -> Baseline | None:
        """The trivial predictor that every report shows beside the model; None where it cannot be had."""
        ...

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Write a small made-up data set of the kind that the task takes; what it is, in a sentence."""
        ...


@runtime_checkable
class TextGeneration(Protocol):
    """What a task can do whose model writes on after a prompt: a language model."""

    def generate(
        self, model: Any, prompts: Sequence[Sequence[int]], options: DecodingOptions
    ) -> list[list[int]]:
        """The tokens written after each of `prompts`, rows of token numbers; stops left out."""
        ...

    def stream(self, model: Any, prompt: Sequence[int], options: DecodingOptions) -> Iterator[int]:
        """The same for one prompt, token by token, as they are chosen."""
        ...


@runtime_checkable
class AudioStreaming(Protocol):
    """What a task can do whose model transcribes audio while it is recorded."""

    def transcribe_stream(
        self, model: Any, chunks: Iterable[numpy.ndarray], context: Context
    ) -> Iterator[str]:
        """The text of samples (n,) float32 from -1 to 1, in chunks of any sizes, piece by piece.

        Raises:
            ConfigError: the model or the decoding needs the whole recording.
        """
        ...


def infer(tasks: Mapping[str, Task], data: Any) -> Sequence[tuple[Task, str]]:
    """The tasks that accept `data`, each with its reason."""
    return [(task, reason) for task in tasks.values() if (reason := task.accepts(data))]
