r"""Errors of forecasts as sums over rows: MASE, sMAPE and OWA of the M4 competition, MSE, MAE, quantile loss.

.. math::

    \mathrm{sMAPE} &= \frac{200}{n} \sum \frac{|y - f|}{|y| + |f|} \\
    \mathrm{MASE} &= \frac{1}{n} \sum \frac{|y - f|}{s}, \quad
        s = \frac{1}{T - m} \sum_{t > m} |y_t - y_{t - m}| \text{ of the history} \\
    \mathrm{OWA} &= \frac{1}{2} \left( \frac{\mathrm{sMAPE}}{\mathrm{sMAPE}_2}
        + \frac{\mathrm{MASE}}{\mathrm{MASE}_2} \right), \quad \text{2: of the forecast Naive2} \\
    \mathrm{wQL} &= \frac{1}{|Q|} \sum_{q \in Q} \frac{2 \sum |(y - f_q) ([y \le f_q] - q)|}{\sum |y|}

Means are taken over all series and steps first, as M4's R code does (Makridakis et al., 2020,
doi:10.1016/j.ijforecast.2019.04.014); wQL is GluonTS' `mean_wQuantileLoss`. Steps that were not observed
count for nothing. A forecast that is NaN has an infinite error: leaving it out would improve the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy

Counts = dict[str, numpy.ndarray]


def seasonal_errors(y: numpy.ndarray, season: int, cutoffs: numpy.ndarray) -> numpy.ndarray:
    """The denominator of MASE: the mean absolute difference of steps that are a season apart, of a history.

    Args:
        y: (T,) float64, NaN where nothing was observed.
        season: steps.
        cutoffs: (W,) int64: how much of y is the history, each of them.

    Returns:
        (W,) float64; NaN, for undefined, where the history is constant, or no longer than a season.

    >>> seasonal_errors(numpy.array([1.0, 2, 4, 4]), 1, numpy.array([3, 4]))
    array([1.5, 1. ])
    """
    differences = numpy.abs(y[season:] - y[:-season]) if len(y) > season else numpy.zeros(0)
    observed = ~numpy.isnan(differences)
    sums = numpy.concatenate([[0.0], numpy.cumsum(numpy.where(observed, differences, 0.0))])
    counts = numpy.concatenate([[0], numpy.cumsum(observed)])
    places = numpy.clip(numpy.asarray(cutoffs) - season, 0, len(differences))
    means = sums[places] / numpy.maximum(counts[places], 1)
    return numpy.where(means > 0, means, numpy.nan)


def count_errors(
    targets: numpy.ndarray,
    forecasts: numpy.ndarray,
    scales: numpy.ndarray,
    naive2: numpy.ndarray | None = None,
) -> Counts:
    """What the scores of point forecasts are made of, by row.

    Args:
        targets: (N, H) float64, NaN where nothing was observed.
        forecasts: (N, H).
        scales: (N,) of `seasonal_errors`; NaN where MASE is undefined.
        naive2: (N, H), the forecast Naive2, for OWA.

    Returns:
        Sums over the steps of a row (N,): `steps`, `squared_error`, `absolute_error`, `smape`, `mase` and
        `mase_steps`, the steps for which it is defined; with `naive2` also `smape_naive2` and `mase_naive2`.
    """
    observed = ~numpy.isnan(targets)
    is_defined = ~numpy.isnan(scales)
    steps = observed.sum(1).astype(numpy.float64)
    error = _absolute_errors(targets, forecasts, observed)
    with numpy.errstate(over="ignore"):
        squares = error**2
    counts = {
        "steps": steps,
        "squared_error": squares.sum(1),
        "absolute_error": error.sum(1),
        "smape": _smape(targets, forecasts, error, observed),
        "mase": _mase(error, scales),
        "mase_steps": numpy.where(is_defined, steps, 0.0),
    }
    if naive2 is not None:
        error = _absolute_errors(targets, naive2, observed)
        counts["smape_naive2"] = _smape(targets, naive2, error, observed)
        counts["mase_naive2"] = _mase(error, scales)
    return counts


def _absolute_errors(
    targets: numpy.ndarray, forecasts: numpy.ndarray, observed: numpy.ndarray
) -> numpy.ndarray:
    """(N, H): 0 for steps without a target, infinite where there is no forecast."""
    difference = numpy.abs(numpy.where(numpy.isnan(forecasts), numpy.inf, forecasts) - targets)
    return numpy.where(observed, difference, 0.0)


def _smape(
    targets: numpy.ndarray, forecasts: numpy.ndarray, error: numpy.ndarray, observed: numpy.ndarray
) -> numpy.ndarray:
    """(N,) sums. Where target and forecast are both 0 there is no error."""
    is_finite = numpy.isfinite(error)
    size = numpy.where(observed & is_finite, numpy.abs(targets) + numpy.abs(forecasts), 1.0)
    ratio = numpy.where(is_finite, error, 1.0) / numpy.where(size > 0, size, 1.0)
    return numpy.where(is_finite, 200 * ratio, numpy.inf).sum(1)


def _mase(error: numpy.ndarray, scales: numpy.ndarray) -> numpy.ndarray:
    """(N,) sums; 0 where it is undefined."""
    is_defined = ~numpy.isnan(scales)
    return numpy.where(is_defined, error.sum(1) / numpy.where(is_defined, scales, 1.0), 0.0)


def count_quantile_losses(
    targets: numpy.ndarray, quantiles: numpy.ndarray, levels: Sequence[float]
) -> Counts:
    """What the weighted quantile loss is made of, by row.

    Args:
        targets: (N, H) float64, NaN where nothing was observed.
        quantiles: (N, H, Q), the forecast of each level.
        levels: Q of them, from 0 to 1, such as 0.1, 0.2 … 0.9.

    Returns:
        `quantile_loss` (N, Q) and `absolute_target` (N,), sums over steps.
    """
    y = targets[:, :, None]
    observed = ~numpy.isnan(y)
    error = numpy.where(observed, y - numpy.where(numpy.isnan(quantiles), numpy.inf, quantiles), 0.0)
    weight = numpy.where(error <= 0, 1 - numpy.asarray(levels), numpy.asarray(levels))
    losses = numpy.where(observed, 2 * numpy.abs(error) * weight, 0.0)
    return {"quantile_loss": losses.sum(1), "absolute_target": numpy.nansum(numpy.abs(targets), axis=1)}


def scores(totals: Mapping[str, numpy.ndarray]) -> dict[str, float]:
    """The scores that `totals` are enough for, from sums over rows of what the counting functions give.

    Returns:
        Of `mase`, `smape`, `owa`, `mse`, `mae` and `wql` those that are defined.

    >>> y, forecast, scale = numpy.array([[10.0, numpy.nan]]), numpy.array([[12.0, 0.0]]), numpy.array([4.0])
    >>> totals = {name: values.sum(0) for name, values in count_errors(y, forecast, scale).items()}
    >>> {name: round(value, 4) for name, value in scores(totals).items()}
    {'mase': 0.5, 'smape': 18.1818, 'mse': 4.0, 'mae': 2.0}
    """
    result: dict[str, float] = {}
    steps, mase_steps = float(totals["steps"]), float(totals["mase_steps"])
    if mase_steps:
        result["mase"] = float(totals["mase"]) / mase_steps
    if steps:
        result["smape"] = float(totals["smape"]) / steps
        if mase_steps and all(0 < totals.get(f"{name}_naive2", 0) < numpy.inf for name in ("mase", "smape")):
            smape, mase = (float(totals[name] / totals[f"{name}_naive2"]) for name in ("smape", "mase"))
            result["owa"] = (smape + mase) / 2
        result["mse"] = float(totals["squared_error"]) / steps
        result["mae"] = float(totals["absolute_error"]) / steps
    if totals.get("absolute_target", 0) > 0:
        result["wql"] = float(totals["quantile_loss"].mean() / totals["absolute_target"])
    return result
