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
BETTER = 0.9
"""Of the copy's own squared error, which a forecast as simple must stay below for the copy to be a fault: the
last value of a random walk is the best forecast that there is"""
ORIGINS, SEASONS = 4, 8
"""Earlier windows by which a simple forecast is chosen, and the seasons that it is a mean of"""


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
    rival, share = find_rival(pictured, name)
    numbers = {
        "truth": truth,
        "nearest_copy": name,
        "copy": error,
        "ratio": ratio,
        "correlation": correlation,
        "rival": rival,
        "rival_share": share,
    }
    evidence = (
        f"{len(pictured)} series: squared error against the truth {truth:.3g}, against the {name} "
        f"{error:.3g} of their variance (ratio {ratio:.2f}, allowed from {ALLOWED_RATIO}); "
        f"changes since the last value correlate {correlation:.2f}"
    )
    if ratio < ALLOWED_RATIO and rival:
        evidence += f"; the {rival} has {share:.2f} of that copy's own error (a fault below {BETTER})"
    is_copy = ratio < ALLOWED_RATIO and share < BETTER
    return Finding(not is_copy, evidence, numbers)


def find_rival(pictured: Sequence[PicturedSeries], copy: str) -> tuple[str, float]:
    """A forecast as simple as a copy of the past, chosen on the history alone, and how it does in what came.

    Args:
        pictured: series with what came.
        copy: `last value`, or `values 7 steps before`.

    Returns:
        Its name, and its squared error as a share of that of the copy; no name and 0 for a copy of values
        that were not known yet.
    """
    chosen: dict[str, list[float]] = {}
    came: dict[str, list[float]] = {}
    for series in pictured:
        past, actual = series.history[~numpy.isnan(series.history)], numpy.asarray(series.actual)
        length, deviation = len(actual), float(past.std()) if len(past) else 0.0
        if not deviation or numpy.isnan(actual).all():
            continue
        origins = range(len(past) - length, len(past) - (ORIGINS + 1) * length, -length)
        windows = [(past, actual, came)]
        windows += [
            (past[:origin], past[origin : origin + length], chosen)
            for origin in origins
            if origin >= 2 * length
        ]
        for known, truth, errors in windows:
            for name, forecast in _simple_forecasts(known, length).items():
                error = float(numpy.nanmean(((forecast - truth) / deviation) ** 2))
                errors.setdefault(name, []).append(error)
    if copy not in came or not chosen:
        return "", 0.0
    count = max(map(len, chosen.values()))
    means = {name: float(numpy.mean(errors)) for name, errors in chosen.items() if len(errors) == count}
    rival = min((name for name in means if name in came), key=means.__getitem__)
    own = float(numpy.mean(came[copy]))
    return rival, float(numpy.mean(came[rival])) / own if own else 1.0


def _simple_forecasts(known: numpy.ndarray, length: int) -> dict[str, numpy.ndarray]:
    """What can be said of the next steps by one's fingers."""
    forecasts = {LAST: numpy.full(length, known[-1]), "mean of all": numpy.full(length, known.mean())}
    if len(known) >= length:
        forecasts[f"values {length} steps before"] = known[-length:]
    for season in range(2, min(length, len(known) // 2) + 1):
        count = min(SEASONS, len(known) // season)
        one = known[-count * season :].reshape(count, season).mean(0)
        forecasts[f"mean of seasons of {season} steps"] = numpy.resize(one, length)
    return forecasts


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
