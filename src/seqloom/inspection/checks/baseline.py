"""The model beats its baseline by more than chance."""

from __future__ import annotations

from seqloom.data.batching import Batching
from seqloom.data.bucketing import BATCH_SIZE
from seqloom.evaluation.measure import measure
from seqloom.evaluation.report import make_report
from seqloom.inspection.checks.finding import Finding, NotApplicableError
from seqloom.inspection.checks.sampling.subject import Subject
from seqloom.runs.run_folder import training_seconds


def check_baseline(subject: Subject) -> Finding:
    """The whole split by both, with rows drawn for both together (paired bootstrap)."""
    window = subject.predictor.config.training.window
    batching = Batching(BATCH_SIZE, window, training=False)
    source = subject.preparation.source(subject.data, subject.split, batching)
    rows = measure(subject.task, subject.model, source, subject.device, subject.context)
    seconds = training_seconds(subject.predictor.folder)
    report = make_report(
        subject.task, subject.preparation, subject.data, subject.split, rows, (), subject.seed, seconds
    )
    if report.is_better is None:
        raise NotApplicableError(f"there is no baseline for the split {subject.split}")
    if report.is_one_row:
        raise NotApplicableError(f"the split {subject.split} has one row, which says nothing about chance")
    name, higher = report.primary_metric
    model, baseline = report.metrics[name], report.baseline[name]
    low, high = report.difference or report.interval[name]
    of = "difference" if report.difference else "model's"
    better = "above" if higher else "below"
    zero = "0" if report.difference else "the baseline's"
    evidence = (
        f"{name} {model:.4g}; {report.baseline_name}: {baseline:.4g}; 95 % interval of the {of} {low:.4g} to "
        f"{high:.4g}, which must be {better} {zero}"
    )
    numbers = {"metric": name, "model": model, "baseline": baseline, "interval": [low, high]}
    return Finding(bool(report.is_better), evidence, {**numbers, "paired": report.difference is not None})
