"""Forecasts without a parameter: the last value, the last season, and M4's Naive2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy

CRITICAL = 1.645
"""Of the seasonality test, at 90 %"""


def persistence(history: numpy.ndarray, horizon: int) -> numpy.ndarray:
    """The last value, at every step.

    Args:
        history: (N, L) float64 without NaN, the last L steps before the cutoff.
        horizon: H.

    Returns:
        (N, H) float64.
    """
    return numpy.repeat(history[:, -1:], horizon, axis=1)


def seasonal_naive(history: numpy.ndarray, season: int, horizon: int) -> numpy.ndarray:
    """The last season again and again; the whole history where it is shorter, as in M4's `naive_seasonal`.

    Args:
        history: (N, L) float64 without NaN, the last L steps before the cutoff.
        season: steps.
        horizon: H.

    Returns:
        (N, H) float64.

    >>> seasonal_naive(numpy.array([[1.0, 2, 3, 4]]), 2, 3)
    array([[3., 4., 3.]])
    """
    period = min(season, history.shape[1])
    return history[:, history.shape[1] - period + numpy.arange(horizon) % period]


def is_seasonal(y: numpy.ndarray, season: int) -> bool:
    """M4's test: whether the autocorrelation at the season differs from 0, at 90 %.

    A series of fewer than three seasons is not tested, nor one whose season is longer than the lags that R's
    `acf` computes, 10 log10 T.

    Args:
        y: (T,) float64 without NaN.
        season: steps.

    >>> is_seasonal(numpy.tile([1.0, 5, 2, 1], 10), 4), is_seasonal(numpy.arange(40.0), 4)
    (True, True)
    """
    if season < 2 or len(y) < 3 * season or season > min(int(10 * math.log10(len(y))), len(y) - 1):
        return False
    centered = y - y.mean()
    variance = float(centered @ centered)
    if not variance > 0:
        return False
    lags = numpy.array([centered[lag:] @ centered[:-lag] for lag in range(1, season + 1)]) / variance
    limit = CRITICAL / math.sqrt(len(y)) * math.sqrt(1 + 2 * float(lags[:-1] @ lags[:-1]))
    return bool(abs(lags[-1]) > limit)


def seasonal_indices(y: numpy.ndarray, season: int) -> numpy.ndarray:
    """Classical multiplicative decomposition, as R's `decompose(type="multiplicative")`.

    Args:
        y: (T,) float64 without NaN, at least two seasons.
        season: steps.

    Returns:
        (season,) float64 with mean 1, that of step 0 first; not finite where trend and season have no ratio.

    >>> seasonal_indices(numpy.tile([1.0, 3.0], 6), 2)
    array([0.5, 1.5])
    """
    weights = numpy.ones(season) / season
    if season % 2 == 0:
        weights = numpy.concatenate([[0.5], numpy.ones(season - 1), [0.5]]) / season
    half = len(weights) // 2
    trend = numpy.convolve(y, weights, "valid")
    with numpy.errstate(divide="ignore", invalid="ignore"):
        ratios = y[half : half + len(trend)] / trend
        places = (numpy.arange(len(trend)) + half) % season
        known = ~numpy.isnan(ratios)
        sums = numpy.bincount(places[known], ratios[known], minlength=season)
        indices = sums / numpy.bincount(places[known], minlength=season)
        return indices / indices.mean()


def naive2(y: numpy.ndarray, season: int, horizon: int) -> numpy.ndarray:
    """Naive2 of M4: the last value after seasonal adjustment, if the series is seasonal.

    Args:
        y: (T,) float64 without NaN, all of the history.
        season: steps.
        horizon: H.

    Returns:
        (H,) float64; the last value where the adjustment is not finite, as for a series of zeros.

    >>> naive2(numpy.tile([1.0, 5, 2, 1], 10), 4, 5)
    array([1., 5., 2., 1., 1.])
    """
    last = numpy.full(horizon, y[-1])
    if not is_seasonal(y, season):
        return last
    indices = seasonal_indices(y, season)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        adjusted = y[-1] / indices[(len(y) - 1) % season]
        forecast = adjusted * indices[(len(y) + numpy.arange(horizon)) % season]
    return forecast if numpy.isfinite(forecast).all() else last


def naive_deviations(history: numpy.ndarray, season: int, horizon: int) -> numpy.ndarray:
    """The deviation of a (seasonal) naive forecast at each step, from the steps that it would have forecast.

    That of one season ahead, times the root of the number of seasons ahead (Hyndman and Athanasopoulos,
    Forecasting: Principles and Practice, 3rd edition, section 5.5).

    Args:
        history: (N, L) float64, NaN where nothing was observed.
        season: steps; 1 for the last value.
        horizon: H.

    Returns:
        (N, H) float64; 0 where the history has not two steps that are a season apart.

    >>> naive_deviations(numpy.array([[0.0, 1, 0, 1]]), 1, 2).round(3)
    array([[1.   , 1.414]])
    """
    if history.shape[1] <= season:
        return numpy.zeros((len(history), horizon))
    squares = (history[:, season:] - history[:, :-season]) ** 2
    counts = (~numpy.isnan(squares)).sum(1)
    deviation = numpy.sqrt(numpy.nansum(squares, axis=1) / numpy.maximum(counts, 1))
    return deviation[:, None] * numpy.sqrt(numpy.arange(horizon) // season + 1)


def normal_quantiles(
    mean: numpy.ndarray, deviations: numpy.ndarray, levels: Sequence[float]
) -> numpy.ndarray:
    """Quantiles of normal distributions.

    Args:
        mean: (N, H).
        deviations: (N, H).
        levels: Q of them, from 0 to 1.

    Returns:
        (N, H, Q).

    >>> normal_quantiles(numpy.array([[1.0]]), numpy.array([[2.0]]), [0.5, 0.9]).round(2)
    array([[[1.  , 3.56]]])
    """
    places = numpy.array([NormalDist().inv_cdf(level) for level in levels])
    return mean[:, :, None] + deviations[:, :, None] * places
