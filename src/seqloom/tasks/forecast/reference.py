"""What forecasts are measured against: the seasonal naive error of MASE, and Naive2, of OWA."""

from __future__ import annotations

from typing import NamedTuple

import numpy

from seqloom.baselines.series.naive import naive2
from seqloom.data.series.dataset import SeriesData, fill_gaps
from seqloom.data.series.windows import Windows
from seqloom.metrics.forecast.errors import seasonal_errors

MAX_NAIVE2 = 10_000, 5_000_000
"""Forecasts, and steps of their histories, above which Naive2 is not computed, and there is no OWA."""

CHUNK_STEPS = 1 << 20
"""Steps of histories that are measured at once"""


class Reference(NamedTuple):
    """What each forecast of a backtest is relative to.

    Fields:
        scales: (N,) seasonal naive error over the history; NaN where it is undefined.
        naive2: (N, h) the forecast Naive2; None where there are too many.
    """

    scales: numpy.ndarray
    naive2: numpy.ndarray | None

    def take(self, rows: numpy.ndarray) -> Reference:
        """Those of some forecasts."""
        return Reference(self.scales[rows], None if self.naive2 is None else self.naive2[rows])


def measure_reference(series: SeriesData, windows: Windows, season: int, horizon: int) -> Reference:
    """The reference of each forecast of a backtest."""
    count = len(windows.numbers)
    most_windows, most_steps = MAX_NAIVE2
    has_naive2 = count <= most_windows and windows.cutoffs.sum() <= most_steps
    order = numpy.argsort(windows.numbers, kind="stable")
    numbers, firsts = numpy.unique(windows.numbers[order], return_index=True)
    if not has_naive2 and count < 2 * len(numbers):
        return Reference(measure_histories(series, windows.numbers, windows.cutoffs, season)[:, 1], None)
    scales = numpy.full(count, numpy.nan)
    forecasts = numpy.full((count, horizon), numpy.nan) if has_naive2 else None
    for number, rows in zip(numbers.tolist(), numpy.split(order, firsts[1:]), strict=True):
        y = series.series(number).y
        scales[rows] = seasonal_errors(y, season, windows.cutoffs[rows])
        if forecasts is not None:
            filled = fill_gaps(y[None])[0]
            for row in rows.tolist():
                forecasts[row] = naive2(filled[: int(windows.cutoffs[row])], season, horizon)
    return Reference(scales, forecasts)


def measure_sizes(series: SeriesData, stops: numpy.ndarray, season: int) -> numpy.ndarray:
    """Deviation, seasonal naive error and mean absolute value of every series up to a step (S, 3); 0 where
    undefined."""
    return numpy.nan_to_num(measure_histories(series, numpy.arange(len(series)), stops, season))


def measure_histories(
    series: SeriesData, numbers: numpy.ndarray, stops: numpy.ndarray, season: int
) -> numpy.ndarray:
    """The deviation, the seasonal naive error and the mean absolute value of series up to a step (N, 3); NaN
    where undefined.

    Many short ones at once: of half a million series a loop would take minutes.
    """
    measured = numpy.full((len(numbers), 3), numpy.nan)
    order = numpy.argsort(stops, kind="stable")
    ends = numpy.cumsum(stops[order].astype(numpy.int64))
    chunks = numpy.searchsorted(
        ends, numpy.arange(CHUNK_STEPS, int(ends[-1]) if len(ends) else 0, CHUNK_STEPS)
    )
    for rows in numpy.split(order, numpy.unique(chunks)):
        length = int(stops[rows].max(initial=0))
        if not length:
            continue
        y = series.windows(numbers[rows], stops[rows], length)
        measured[rows, 0], measured[rows, 2] = _deviation(y), _mean(numpy.abs(y))
        if length > season:
            means = _mean(numpy.abs(y[:, season:] - y[:, :-season]))
            measured[rows, 1] = numpy.where(means > 0, means, numpy.nan)
    return measured


def _mean(values: numpy.ndarray) -> numpy.ndarray:
    """Of rows, without what is NaN; NaN where all is."""
    seen = ~numpy.isnan(values)
    count = seen.sum(1)
    total = numpy.where(seen, values, 0.0).sum(1)
    return numpy.where(count > 0, total / numpy.maximum(count, 1), numpy.nan)


def _deviation(y: numpy.ndarray) -> numpy.ndarray:
    """Of rows, without what is NaN; scaled on the way, since squares of 1e200 are no numbers."""
    largest = numpy.abs(numpy.nan_to_num(y)).max(1, keepdims=True)
    unit = numpy.where(largest > 0, largest, 1.0)
    return unit[:, 0] * numpy.sqrt(_mean((y / unit - _mean(y / unit)[:, None]) ** 2))
