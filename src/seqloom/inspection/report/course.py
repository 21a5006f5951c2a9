"""The course of a training, from `metrics.jsonl`: losses, the metric that decides, gradients, rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from seqloom.evaluation.report import Report
from seqloom.pages import Html, Mark, Series, columns, line_chart, percent
from seqloom.training.state import TrainingState

NO_CHART = "Too few steps for a curve: nothing was recorded twice."


class Course(NamedTuple):
    """The records of a training, of each split by step."""

    unit: str
    train: Sequence[Mapping[str, Any]]
    validation: Sequence[Mapping[str, Any]]

    @property
    def loss(self) -> str:
        """The name of the loss."""
        return f"loss_nats_per_{self.unit}"


def read_course(path: Path, unit: str) -> Course:
    """The records of a run folder.

    Args:
        path: `metrics.jsonl`; a line that is no record, as of a power cut, is passed over.
        unit: what the loss is counted per.
    """
    records: dict[str, list[Mapping[str, Any]]] = {"train": [], "validation": []}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = from_json(line)
            records.setdefault(record["split"], []).append(record)
        except (ValueError, KeyError, TypeError):
            continue
    return Course(unit, records["train"], records["validation"])


def draw_course(course: Course, report: Report, state: TrainingState, clip: float | None) -> Html | str:
    """Charts of a course.

    Args:
        course: its records.
        report: of the best weights, for the baseline's level.
        state: at the end.
        clip: the norm to which gradients are clipped.
    """
    if len(course.train) + len(course.validation) < 2:
        return NO_CHART
    charts = [_draw_losses(course, report, state)]
    metric = report.primary_metric.name
    if metric != course.loss and any(metric in record for record in course.validation):
        levels = {f"baseline, {report.split}": report.baseline[metric]} if metric in report.baseline else {}
        direction = "higher" if report.primary_metric.higher_is_better else "lower"
        charts.append(
            line_chart(
                [_series("validation", course.validation, metric)],
                title=f"{metric} of validation, {direction} is better",
                x_label="step",
                levels=levels,
                marks=_best(state),
            )
        )
    if any("gradient_norm" in record for record in course.train):
        charts.append(_draw_norms(course, state, clip))
    if any("learning_rate" in record for record in course.train):
        charts.append(
            line_chart(
                [_series("learning rate", course.train, "learning_rate")],
                title="Learning rate",
                x_label="step",
            )
        )
    return columns(*charts)


def _draw_losses(course: Course, report: Report, state: TrainingState) -> Html:
    lines = [
        _series("training", course.train, course.loss),
        _series("validation", course.validation, course.loss),
    ]
    baseline = report.baseline.get(course.loss)
    return line_chart(
        [line for line in lines if line.x],
        title=f"Loss, nats per {course.unit}",
        x_label="step",
        levels={} if baseline is None else {f"baseline, {report.split}": baseline},
        marks=_best(state),
        note="Training is the mean since the record before, with dropout; validation is without.",
    )


def _draw_norms(course: Course, state: TrainingState, clip: float | None) -> Html:
    share = percent(state.clipped_steps / max(state.step, 1))
    clipped = f"{share} of all steps were clipped." if clip else "Gradients were not clipped."
    return line_chart(
        [_series("norm", course.train, "gradient_norm")],
        title="Norm of the gradient, before clipping",
        x_label="step",
        y_log=True,
        levels={"clipped at": clip} if clip else {},
        note=clipped,
    )


def _series(name: str, records: Sequence[Mapping[str, Any]], key: str) -> Series:
    shown = [record for record in records if record.get(key) is not None]
    return Series(name, [record["step"] for record in shown], [record[key] for record in shown])


def _best(state: TrainingState) -> list[Mark]:
    return [Mark(state.best_step, "best")] if state.best_step else []
