"""The report of an evaluation: metrics with bootstrap intervals, beside the baseline's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn

from seqloom.baselines.budget import Budget
from seqloom.evaluation.bootstrap import bootstrap
from seqloom.evaluation.pairing import pair_rows
from seqloom.progress import phase
from seqloom.tasks.base import Comparison, Context, Data, Metric, Preparation, Rows, Task

BETTER = "The model is better than the baseline"
AHEAD = "The model is ahead of the baseline"
NOT_BETTER = "The model is not better than the baseline"
"""How the three verdicts of a report begin"""


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
    remarks: Sequence[str] = ()
    """What a person should know of the data: files that were passed over, rows that two splits have."""
    baseline_seconds: float = 0.0
    """How long the baseline took."""
    baseline_fitted_on: str = ""
    """On how much of the training data the baseline was fitted, where it was not all of it."""
    difference: tuple[float, float] | None = None
    """95 % interval of the model's primary metric less the baseline's, both drawn with the same rows; None
    where the rows of the two cannot be matched."""
    is_one_row: bool = False
    """Whether one row was measured, of which no interval says what is chance."""

    @property
    def is_better(self) -> bool | None:
        """Whether the model's primary metric is better than the baseline's, by more than chance.

        That is where the whole interval of their difference is on the better side of 0, or, without one,
        the whole interval of the model's metric on the better side of the baseline's. One row is not enough.
        None where there is no baseline.
        """
        name, higher = self.primary_metric
        if name not in self.baseline:
            return None
        if self.is_one_row:
            return False
        (low, high), zero = self.interval[name], self.baseline[name]
        if self.difference is not None:
            (low, high), zero = self.difference, 0.0
        return low > zero if higher else high < zero

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with these keys:

        `task`, `data` (its path), `split`, `metrics`, `baseline` (its `name`, metrics, `seconds` and
        `fitted_on`, null where that is all of the training data; empty without one), `interval` (metric to
        [low, high], 95 %), `difference` ([low, high], 95 %, of the primary metric less the baseline's, null
        where their rows cannot be matched), `better_than_baseline` (null without one), `skipped` (number of
        `rows`, and the `first` five messages), `remarks` (lines about the data), `details` (the task's own).
        """
        timing = {"seconds": round(self.baseline_seconds, 3), "fitted_on": self.baseline_fitted_on or None}
        return {
            "task": self.task,
            "data": self.data,
            "split": self.split,
            "metrics": self.metrics,
            "baseline": {"name": self.baseline_name, **self.baseline, **timing} if self.baseline else {},
            "interval": {name: list(ends) for name, ends in self.interval.items()},
            "difference": None if self.difference is None else list(self.difference),
            "better_than_baseline": self.is_better,
            "skipped": {"rows": len(self.skipped), "first": list(self.skipped[:5])},
            "remarks": list(self.remarks),
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
    seconds: float | None = None,
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
        seconds: how long the baseline may take, the time of the training; None: as long as it needs.
    """
    unit = preparation.unit
    metrics = task.score(rows, unit)
    started, budget = perf_counter(), Budget(seconds)
    with phase("measuring the baseline"):
        baseline = task.baseline(preparation, data, split, budget)
    baseline_seconds = perf_counter() - started if budget.seconds is None else budget.seconds
    primary_metric = task.primary_metric(metrics)
    paired = pair_rows(baseline.rows, rows.spans) if baseline else None
    intervals = bootstrap(lambda drawn: task.score(drawn, unit), rows, seed, paired)
    return Report(
        task=task.name,
        data=str(data.path),
        split=split,
        metrics=metrics,
        baseline_name=baseline.name if baseline else None,
        baseline=task.score(baseline.rows, unit) if baseline else {},
        interval=dict(intervals.metrics),
        primary_metric=primary_metric,
        skipped=skipped,
        details={**task.details(rows), **(baseline.details if baseline else {})},
        remarks=data.remarks,
        baseline_seconds=baseline_seconds,
        baseline_fitted_on=baseline.fitted_on if baseline else "",
        difference=intervals.differences.get(primary_metric.name),
        is_one_row=len(rows.nats) == 1,
    )


@torch.inference_mode()
def with_comparison(report: Report, task: Task, model: nn.Module, data: Data, context: Context) -> Report:
    """The report, with what a task compares that has the capability `Comparison`.

    Args:
        report: of the model.
        task: the model's.
        model: in either mode, which it is left in.
        data: that was measured.
        context: preparation, settings, and how to decode.
    """
    capable: object = task
    if not isinstance(capable, Comparison):
        return report
    was_training = model.training
    model.eval()
    try:
        compared = capable.compare(model, data, report.split, context)
    finally:
        model.train(was_training)
    return report._replace(details={**report.details, **compared})


def verdict(report: Report) -> str:
    """Whether the model is better than the baseline, in a sentence."""
    if report.is_better is None:
        return "There is no baseline for this split."
    name, higher = report.primary_metric
    value, baseline = report.metrics[name], report.baseline[name]
    if report.is_better:
        least, most = sorted(map(abs, report.difference or (0.0, 0.0)))
        by = f", by {least:.4g} to {most:.4g} in {name}" if report.difference else ""
        return f"{BETTER}, {report.baseline_name}{by}."
    if value > baseline if higher else value < baseline:
        if report.is_one_row:
            return (
                f"{AHEAD}, {report.baseline_name}, on one row, which may be chance. Measure it on more data."
            )
        reason = "of the difference holds 0" if report.difference else f"of its {name} holds the baseline's"
        return (
            f"{AHEAD}, {report.baseline_name}, but that may be chance: the "
            f"interval {reason}. Train it longer, or measure it on more data."
        )
    hint = "Train it longer, or use the baseline."
    return f"{NOT_BETTER}, {report.baseline_name}. {hint}"


def describe_baseline(report: Report) -> str:
    """How long the baseline took, and whether it was cut, in a sentence."""
    seconds = f"The baseline took {report.baseline_seconds:.1f} s"
    if not report.baseline_fitted_on:
        return f"{seconds}."
    return f"{seconds}: it was fitted on {report.baseline_fitted_on}."
