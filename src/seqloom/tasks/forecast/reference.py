"""What forecasts are measured against: the seasonal naive error of MASE, and Naive2, of OWA."""

from __future__ import annotations

from typing import NamedTuple

import numpy

from seqloom.data.series.dataset import SeriesData
from seqloom.data.series.windows import Windows

MAX_NAIVE2 = 10_000, 20_000_000
"""Forecasts, and steps of their histories, above which Naive2 is not computed, and there is no OWA."""


class Reference(NamedTuple):
    """What each forecast of a backtest (N,) is relative to; NaN where it is undefined.

    Fields:
        seasonal_error: mean absolute error of the seasonal naive forecast over the history.
        naive2_smape: of Naive2, summed over the observed steps.
        naive2_error: absolute, of Naive2, summed over the observed steps.
    """

    seasonal_error: numpy.ndarray
    naive2_smape: numpy.ndarray
    naive2_error: numpy.ndarray

    def take(self, rows: numpy.ndarray) -> Reference:
        """Those of some forecasts."""
        return Reference(*(values[rows] for values in self))


def measure_reference(series: SeriesData, windows: Windows, season: int) -> Reference:
    """The reference of each forecast of a backtest."""
    count = len(windows.numbers)
    errors, smape, absolute = (numpy.full(count, numpy.nan) for _ in range(3))
    most_windows, most_steps = MAX_NAIVE2
    with_naive2 = count <= most_windows and windows.cutoffs.sum() <= most_steps
    order = numpy.argsort(windows.numbers, kind="stable")
    numbers, firsts = numpy.unique(windows.numbers[order], return_index=True)
    for number, rows in zip(numbers.tolist(), numpy.split(order, firsts[1:]), strict=True):
        y = series.series(number).y
        errors[rows] = seasonal_errors(y, windows.cutoffs[rows], season)
        for row in rows.tolist() if with_naive2 else ():
            cutoff, stop = int(windows.cutoffs[row]), int(windows.stops[row])
            what_came = y[cutoff:stop]
            seen = ~numpy.isnan(what_came)
            forecast = naive2(y[:cutoff], season, stop - cutoff)[seen]
            what_came = what_came[seen]
            size = numpy.abs(what_came) + numpy.abs(forecast)
            error = numpy.abs(what_came - forecast)
            smape[row] = (200 * error / numpy.where(size > 0, size, 1.0)).sum()
            absolute[row] = error.sum()
    return Reference(errors, smape, absolute)


def measure_sizes(series: SeriesData, stops: numpy.ndarray, season: int) -> numpy.ndarray:
    """The deviation and the seasonal naive error of every series up to a step (S, 2); 0 where undefined."""
    sizes = numpy.zeros((len(series), 2))
    for number, stop in enumerate(stops.tolist()):
        y = series.series(number).y[:stop]
        seen = y[~numpy.isnan(y)]
        if len(seen):
            errors = seasonal_errors(y, numpy.array([stop]), season)
            sizes[number] = seen.std(), numpy.nan_to_num(errors[0])
    return sizes


def seasonal_errors(y: numpy.ndarray, cutoffs: numpy.ndarray, season: int) -> numpy.ndarray:
    """Mean absolute error of the seasonal naive forecast over the history up to each cutoff; NaN of none."""
    difference = numpy.abs(y[season:] - y[:-season]) if len(y) > season else numpy.zeros(0)
    seen = ~numpy.isnan(difference)
    sums = numpy.concatenate([[0.0], numpy.cumsum(numpy.where(seen, difference, 0.0))])
    counts = numpy.concatenate([[0], numpy.cumsum(seen)])
    ends = numpy.clip(cutoffs - season, 0, len(difference))
    return numpy.where(counts[ends] > 0, sums[ends] / numpy.maximum(counts[ends], 1), numpy.nan)


def naive2(y: numpy.ndarray, season: int, horizon: int) -> numpy.ndarray:
    """temporary"""
    y = y[~numpy.isnan(y)]
    return numpy.repeat(y[-1], horizon)
