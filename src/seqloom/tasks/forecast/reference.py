"""What forecasts are measured against: the seasonal naive error of MASE, and Naive2, of OWA."""

from __future__ import annotations

from typing import NamedTuple

import numpy

from seqloom.baselines.series.naive import naive2
from seqloom.data.series.dataset import SeriesData, fill_gaps
from seqloom.data.series.windows import Windows
from seqloom.metrics.forecast.errors import seasonal_errors

MAX_NAIVE2 = 10_000, 20_000_000
"""Forecasts, and steps of their histories, above which Naive2 is not computed, and there is no OWA."""


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
    scales = numpy.full(count, numpy.nan)
    forecasts = numpy.full((count, horizon), numpy.nan) if has_naive2 else None
    order = numpy.argsort(windows.numbers, kind="stable")
    numbers, firsts = numpy.unique(windows.numbers[order], return_index=True)
    for number, rows in zip(numbers.tolist(), numpy.split(order, firsts[1:]), strict=True):
        y = series.series(number).y
        scales[rows] = seasonal_errors(y, season, windows.cutoffs[rows])
        if forecasts is not None:
            filled = fill_gaps(y[None])[0]
            for row in rows.tolist():
                forecasts[row] = naive2(filled[: int(windows.cutoffs[row])], season, horizon)
    return Reference(scales, forecasts)


def measure_sizes(series: SeriesData, stops: numpy.ndarray, season: int) -> numpy.ndarray:
    """The deviation and the seasonal naive error of every series up to a step (S, 2); 0 where undefined."""
    sizes = numpy.zeros((len(series), 2))
    for number, stop in enumerate(stops.tolist()):
        y = series.series(number).y[:stop]
        seen = y[~numpy.isnan(y)]
        if len(seen):
            error = seasonal_errors(y, season, numpy.array([stop]))[0]
            sizes[number] = seen.std(), numpy.nan_to_num(error)
    return sizes
