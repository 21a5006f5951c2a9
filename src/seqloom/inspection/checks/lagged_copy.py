"""A forecast is no copy of the past: it is nearer to what comes than to what came before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from seqloom.inspection.checks.finding import Finding, NotApplicableError
from seqloom.inspection.checks.sampling.subject import Subject
from seqloom.tasks.forecasting import Forecasting, ForecastRequest, PicturedSeries

MOST_SERIES = 500
ALLOWED_RATIO = 0.2
"""Below it the squared error against a copy of the past is so much less than that against the truth that the
forecast is the copy: the two are about equal where it adds anything to the past."""
LAST = "last value"


def check_lagged_copy(subject: Subject) -> Finding:
    """Squared errors against the truth, against the last value, and against the series some steps before."""
    task: object = subject.task
    if not isinstance(task, Forecasting):
        raise NotApplicableError("it forecasts no series")
    request = ForecastRequest(split=subject.split, num_pictured=MOST_SERIES)
    pictured = task.forecast(subject.model, subject.data, request, subject.context).pictured
    errors, correlation = measure_copies(pictured)
    if not errors:
        raise NotApplicableError("no series has a forecast beside what came")
    truth = errors.pop("truth")
    name, error = min(errors.items(), key=lambda pair: pair[1])
    ratio = error / truth if truth else 1.0
    numbers = {
        "truth": truth,
        "nearest_copy": name,
        "copy": error,
        "ratio": ratio,
        "correlation": correlation,
    }
    evidence = (
        f"{len(pictured)} series: squared error against the truth {truth:.3g}, against the {name} "
        f"{error:.3g} of their variance (ratio {ratio:.2f}, allowed from {ALLOWED_RATIO}); "
        f"changes since the last value correlate {correlation:.2f}"
    )
    return Finding(ratio >= ALLOWED_RATIO, evidence, numbers)


def measure_copies(pictured: Sequence[PicturedSeries]) -> tuple[dict[str, float], float]:
    """How near forecasts are to the truth and to copies of the past.

    Args:
        pictured: series with their forecasts, and what came.

    Returns:
        Mean squared errors in units of the variance of each series, by what the forecast is compared with:
        `truth`, `last value`, `values 1 steps before` …; and the correlation of forecast with actual changes
        since the last value.
    """
    errors: dict[str, list[numpy.ndarray]] = {}
    changes: list[numpy.ndarray] = []
    for series in pictured:
        known = series.history[~numpy.isnan(series.history)]
        mean, actual = numpy.asarray(series.columns["mean"]), numpy.asarray(series.actual)
        deviation = float(known.std()) if len(known) else 0.0
        if not deviation or numpy.isnan(actual).all():
            continue
        whole = numpy.concatenate([series.history, actual])
        copies = {"truth": actual, LAST: numpy.full(len(actual), known[-1])}
        first = len(series.history)
        for lag in range(1, min(len(actual), first) + 1):
            copies[f"values {lag} steps before"] = whole[first - lag : first - lag + len(actual)]
        for name, copy in copies.items():
            errors.setdefault(name, []).append(((mean - copy) / deviation) ** 2)
        changes.append(numpy.stack([mean - known[-1], actual - known[-1]]) / deviation)
    means = {name: float(numpy.nanmean(numpy.concatenate(parts))) for name, parts in errors.items()}
    if not changes:
        return {}, 0.0
    pairs = numpy.concatenate(changes, axis=1)
    pairs = pairs[:, ~numpy.isnan(pairs).any(0)]
    if (pairs.std(1) == 0).any():
        return means, 0.0
    return means, float(numpy.corrcoef(pairs)[0, 1])
