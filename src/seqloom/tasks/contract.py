"""What a task is: one class, and nothing about training, files' bytes or the command line in it.

A task joins a reader, a model, a loss, a metric, a decoder and a baseline. Training, evaluation, the run
folder and the command line know this contract and no named task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy
from torch import Tensor, nn

from seqloom.data.batching import Share, Source
from seqloom.state import State


class Loss(NamedTuple):
    """What a batch cost, row by row, so that every average is exact whoever shares the batch."""

    nats: Tensor
    """(rows,) summed over the row's units"""
    units: Tensor
    """(rows,) units that the row was charged for"""
    state: State | None
    """The state to carry into the next batch, where the source carries one"""
    counted: Mapping[str, Tensor] = MappingProxyType({})
    """(rows,) each: further sums that metrics are made of, such as right answers, errors or matches"""


class Rows(NamedTuple):
    """The same over a whole split, on the host: what metrics and bootstrap intervals are made of.

    Every metric is a function of sums over rows, so that it is exact however the rows were batched.
    """

    nats: numpy.ndarray
    units: numpy.ndarray
    counted: Mapping[str, numpy.ndarray] = MappingProxyType({})

    def mean(self) -> float:
        """Nats per unit."""
        return float(self.nats.sum() / self.units.sum())

    def take(self, rows: numpy.ndarray) -> Rows:
        """Some of the rows: their numbers, or a mask."""
        counted = {name: values[rows] for name, values in self.counted.items()}
        return Rows(self.nats[rows], self.units[rows], counted)

    @staticmethod
    def join(parts: Sequence[Rows]) -> Rows:
        """All rows of `parts`, of which those without any count nothing."""
        parts = [part for part in parts if len(part.nats)] or parts[:1]
        counted = {
            name: numpy.concatenate([part.counted[name] for part in parts]) for name in parts[0].counted
        }
        return Rows(*(numpy.concatenate([part[i] for part in parts]) for i in (0, 1)), counted)  # type: ignore[misc]


class Baseline(NamedTuple):
    """A trivial predictor's rows on the same split."""

    name: str
    rows: Rows


class Batching(NamedTuple):
    """How a split is cut into batches."""

    batch_size: int
    window: int
    seed: int = 0
    share: Share = Share()
    training: bool = True
    """False: every unit once, in order"""


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
        """The batches of a split of `data`."""
        ...

    def describe(self) -> str:
        """A few words for a person: `66 characters`."""
        ...


class Task(Protocol):
    """The eight members, and the two configurations that two of them take."""

    name: str
    """The word on the command line."""
    shape: str
    """`one-to-one`, `one-to-many`, `many-to-one` or `many-to-many`."""
    DataConfig: type[Any]
    """What `prepare` takes: the `data.*` keys."""
    ModelConfig: type[Any]
    """What `build` takes: the `model.*` keys."""

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
        """The model, untrained. If its source carries a state, it has `initial_state(batch_size)`."""
        ...

    def loss(self, model: nn.Module, batch: Any, state: State | None) -> Loss:
        """What the batch costs, from `state` on."""
        ...

    def measure(self, model: nn.Module, batch: Any, state: State | None) -> Loss:
        """As `loss`, for reports: where metrics need outputs, decode them here and count what is right."""
        ...

    def predict(self, model: Any, batch: Any, options: Any) -> Any:
        """Outputs, by a decoder over a step callable."""
        ...

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Metrics by their usual names, from what was counted; first the loss, by which training selects."""
        ...

    def baseline(self, preparation: Any, data: Any, split: str) -> Baseline | None:
        """The trivial predictor that every report shows beside the model; None where it cannot be had."""
        ...


def infer(tasks: Mapping[str, Task], data: Any) -> Sequence[tuple[Task, str]]:
    """The tasks that accept `data`, each with its reason."""
    return [(task, reason) for task in tasks.values() if (reason := task.accepts(data))]
