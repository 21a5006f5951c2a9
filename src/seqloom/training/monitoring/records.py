"""What a training measures as it goes: sums of what each step counted, and the records made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor

from seqloom.tasks.base import Loss, Rows


class Record(NamedTuple):
    """What was measured at one step: a line of metrics.jsonl."""

    step: int
    epoch: int
    seconds: float
    """Time spent in training so far."""
    split: str
    unit: str
    """What the loss is counted per: `character`, `word` …"""
    scores: Mapping[str, float]
    """The task's metrics by name, the loss among them."""
    primary_metric: str
    """Name of the metric that the task is judged by; training records may lack it."""
    details: Mapping[str, Any] = {}
    """Of a training record: learning rate, units per second, gradient norms."""

    @property
    def loss(self) -> float:
        """Nats per unit."""
        return self.scores[f"loss_nats_per_{self.unit}"]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        place = {"step": self.step, "epoch": self.epoch, "seconds": self.seconds, "split": self.split}
        return {**place, **self.scores, **self.details}


def sum_rows(loss: Loss) -> dict[str, Tensor]:
    """What a batch counted, summed over its rows, in float64: `nats`, `units`, and the task's own counts."""
    counts = {"nats": loss.nats.detach(), "units": loss.units, **loss.counts}
    return {name: values.sum(0).double() for name, values in counts.items()}


def add_sums(before: Mapping[str, Any], sums: Mapping[str, Tensor]) -> dict[str, Any]:
    """The sums of all steps since the last record, as JSON values.

    >>> add_sums({"nats": 1.5}, {"nats": torch.tensor(2.0), "pairs": torch.tensor([1.0, 2.0])})
    {'nats': 3.5, 'pairs': [1.0, 2.0]}
    """
    return {
        name: (torch.tensor(before.get(name, 0.0), dtype=torch.float64) + values.cpu()).tolist()
        for name, values in sums.items()
    }


def rows_of_sums(sums: Mapping[str, Any]) -> Rows:
    """All steps since the last record as a single row, so that a task's `score` makes its metrics of it."""
    counts = {name: numpy.array([value]) for name, value in sums.items()}
    return Rows(counts.pop("nats"), counts.pop("units"), counts)
