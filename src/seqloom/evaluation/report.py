"""Measure a model on a split, beside its baseline, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy
import torch
from torch import nn

from seqloom.data.batching import Source, to_device
from seqloom.tasks.base import Context, Data, Metric, Preparation, Rows, Task

RESAMPLES = 1000
CONFIDENCE = 0.95


class Report(NamedTuple):
    """What an evaluation found."""

    task: str
    data: str
    split: str
    metrics: dict[str, float]
    baseline_name: str | None
    baseline: dict[str, float]
    interval: dict[str, tuple[float, float]]
    """95 % bootstrap interval of each metric of the model"""
    primary_metric: Metric
    """The metric by which model and baseline are compared"""
    skipped: Sequence[str] = ()
    """What was wrong with the rows that are left out"""
    details: Mapping[str, Any] = MappingProxyType({})
    """What else the task has to say, as JSON values"""

    @property
    def is_better(self) -> bool | None:
        """Whether the interval of the headline metric leaves the baseline behind; None without one."""
        name, higher = self.primary_metric
        if name not in self.baseline:
            return None
        low, high = self.interval[name]
        return low > self.baseline[name] if higher else high < self.baseline[name]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "task": self.task,
            "data": self.data,
            "split": self.split,
            "metrics": self.metrics,
            "baseline": {"name": self.baseline_name, **self.baseline} if self.baseline else {},
            "interval": {name: list(ends) for name, ends in self.interval.items()},
            "better_than_baseline": self.is_better,
            "skipped": {"rows": len(self.skipped), "first": list(self.skipped[:5])},
            "details": dict(self.details),
        }


@torch.inference_mode()
def measure(task: Task, model: nn.Module, source: Source, device: torch.device, context: Context) -> Rows:
    """Read all of `source` in evaluation mode: what each row of each batch cost."""
    was_training = model.training
    model.eval()
    parts, state = [Rows(numpy.zeros(0), numpy.zeros(0, dtype=int))], None
    for batch in source.batches(0):
        found = task.evaluate_batch(model, to_device(batch, device), state, context)
        state = found.state if source.carries_state else None
        counted = {name: values.cpu().numpy() for name, values in found.counts.items()}
        nats, units = found.nats.double().cpu().numpy(), found.units.cpu().numpy()
        parts.append(Rows(nats, units, counted, found.outputs))
    model.train(was_training)
    return Rows.join(parts).charged()


def report(
    task: Task,
    preparation: Preparation,
    data: Data,
    split: str,
    rows: Rows,
    skipped: Sequence[str] = (),
    seed: int = 0,
) -> Report:
    """Put a measurement beside the baseline; `seed` draws the interval."""
    metrics = task.score(rows, preparation.unit)
    baseline = task.baseline(preparation, data, split)
    return Report(
        task=task.name,
        data=str(data.path),
        split=split,
        metrics=metrics,
        baseline_name=baseline.name if baseline else None,
        baseline=task.score(baseline.rows, preparation.unit) if baseline else {},
        interval=bootstrap(task, preparation.unit, rows, seed),
        primary_metric=task.primary_metric(metrics),
        skipped=skipped,
        details=task.details(rows),
    )


def bootstrap(task: Task, unit: str, rows: Rows, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Percentile intervals of every metric, over rows drawn with replacement (Efron 1979)."""
    generator = numpy.random.default_rng(seed)
    number = len(rows.nats)
    draws: dict[str, list[float]] = {}
    for _ in range(RESAMPLES):
        chosen = generator.integers(number, size=number)
        for name, value in task.score(rows.take(chosen), unit).items():
            draws.setdefault(name, []).append(value)
    tail = (1 - CONFIDENCE) / 2
    return {
        name: (float(numpy.quantile(values, tail)), float(numpy.quantile(values, 1 - tail)))
        for name, values in draws.items()
    }
