"""The report of an evaluation: metrics with bootstrap intervals, beside the baseline's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from seqloom.evaluation.bootstrap import bootstrap
from seqloom.tasks.base import Data, Metric, Preparation, Rows, Task


class Report(NamedTuple):
    """How good a model is on a split."""

    task: str
    data: str
    """Path of the data."""
    split: str
    metrics: dict[str, float]
    """The model's, by name."""
    baseline_name: str | None
    """None where there is no baseline for the split."""
    baseline: dict[str, float]
    """The baseline's metrics, by name."""
    interval: dict[str, tuple[float, float]]
    """95 % bootstrap interval of each metric of the model."""
    primary_metric: Metric
    """The metric by which model and baseline are compared."""
    skipped: Sequence[str] = ()
    """Messages about the rows that could not be used."""
    details: Mapping[str, Any] = MappingProxyType({})
    """What else the task reports, as JSON values: how a metric was computed, the worst rows."""

    @property
    def is_better(self) -> bool | None:
        """Whether the model's primary metric, with its whole interval, is better than the baseline's.

        None where there is no baseline.
        """
        name, higher = self.primary_metric
        if name not in self.baseline:
            return None
        low, high = self.interval[name]
        return low > self.baseline[name] if higher else high < self.baseline[name]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with these keys:

        `task`, `data` (its path), `split`, `metrics`, `baseline` (its `name` and metrics; empty without one),
        `interval` (metric to [low, high], 95 %), `better_than_baseline` (null without one),
        `skipped` (number of `rows`, and the `first` five messages), `details` (the task's own).
        """
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


def make_report(
    task: Task,
    preparation: Preparation,
    data: Data,
    split: str,
    rows: Rows,
    skipped: Sequence[str] = (),
    seed: int = 0,
) -> Report:
    """Put what was measured beside the baseline.

    Args:
        task: makes metrics of rows.
        preparation: the model's.
        data: the baseline learns from its training split.
        split: its name; `all` has no baseline.
        rows: what `measure` returned for the split.
        skipped: messages about the rows that could not be used.
        seed: draws the bootstrap interval.
    """
    unit = preparation.unit
    metrics = task.score(rows, unit)
    baseline = task.baseline(preparation, data, split)
    return Report(
        task=task.name,
        data=str(data.path),
        split=split,
        metrics=metrics,
        baseline_name=baseline.name if baseline else None,
        baseline=task.score(baseline.rows, unit) if baseline else {},
        interval=bootstrap(lambda drawn: task.score(drawn, unit), rows, seed),
        primary_metric=task.primary_metric(metrics),
        skipped=skipped,
        details=task.details(rows),
    )
