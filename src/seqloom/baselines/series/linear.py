r"""A linear model on lags: ridge regression from the last L steps to each of the next H, all series together.

.. math::

    \hat y_{T + h} = y_T + s \, \Big( b_h + \sum_{l=1}^{L} w_{h l} \, (y_{T - l + 1} - y_T) / s \Big)

with a size s of each row, so that series of any size share the weights: of its series, such as the mean
absolute deviation in training, or of its window (`window_scales`). The weights minimize the squared error in
units of s, plus alpha times their squares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy

ALPHAS = (0.01, 1.0, 100.0)
"""Of the ridge, for each thousand training windows; which is best is seen on data that is held out"""


class LinearLags(NamedTuple):
    """A fitted model."""

    weights: numpy.ndarray
    """(L + 1, H) float64; the last row is the intercept"""
    deviations: numpy.ndarray
    """(H,) float64: of the residuals, in units of s"""
    alpha: float
    """Of the ridge, for each thousand training windows"""

    @property
    def lags(self) -> int:
        """L."""
        return len(self.weights) - 1

    def forecast(self, history: numpy.ndarray, scales: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Forecast from the last steps before a cutoff.

        Args:
            history: (N, L) float64 without NaN.
            scales: (N,), s.

        Returns:
            Mean and deviation, (N, H) each.
        """
        mean = history[:, -1:] + scales[:, None] * (_inputs(history, scales) @ self.weights)
        return mean, scales[:, None] * self.deviations


def window_scales(history: numpy.ndarray) -> numpy.ndarray:
    """The size of each row: its mean absolute difference from the last value; 1 where it is constant.

    Args:
        history: (N, L) float64 without NaN.

    >>> window_scales(numpy.array([[1.0, 3.0], [2.0, 2.0]]))
    array([1., 1.])
    """
    last = history[:, -1]
    sizes = numpy.abs(history - last[:, None]).mean(1)
    return numpy.where(sizes > 1e-12 * numpy.abs(last), sizes, 1.0)


def fit_linear_lags(
    chunks: Iterable[tuple[numpy.ndarray, numpy.ndarray]], lags: int, alphas: Sequence[float] = ALPHAS
) -> list[LinearLags]:
    """Fit the model, in one pass and in the memory of one chunk.

    Args:
        chunks: windows (n, L + H) float64 and their sizes (n,): lags without NaN, then targets. A window
            whose targets are not all observed is left out.
        lags: L.
        alphas: of the ridge, for each thousand windows.

    Returns:
        A model for each of `alphas`; none where there is no window.

    >>> windows = numpy.sin(0.3 * (numpy.arange(380.0)[:, None] + numpy.arange(12)))
    >>> [model] = fit_linear_lags([(windows, numpy.ones(380))], lags=8, alphas=[1e-6])
    >>> mean, _ = model.forecast(windows[:, :8], numpy.ones(380))
    >>> bool(numpy.abs(mean - windows[:, 8:]).max() < 1e-3)
    True
    """
    count, sums = 0, None
    for windows, scales in chunks:
        is_usable = ~numpy.isnan(windows).any(1)
        usable, sizes = windows[is_usable], scales[is_usable]
        inputs = _inputs(usable[:, :lags], sizes)
        targets = (usable[:, lags:] - usable[:, lags - 1 : lags]) / sizes[:, None]
        parts = (inputs.T @ inputs, inputs.T @ targets, (targets**2).sum(0))
        sums = parts if sums is None else [total + part for total, part in zip(sums, parts, strict=True)]
        count += len(usable)
    if sums is None or not count:
        return []
    gram, product, squares = sums
    models = []
    for alpha in alphas:
        penalty = numpy.full(lags + 1, alpha * count / 1000)
        penalty[-1] = 1e-9 * count  # the intercept is free
        weights = numpy.linalg.solve(gram + numpy.diag(penalty), product)
        residuals = squares - 2 * (weights * product).sum(0) + (weights * (gram @ weights)).sum(0)
        models.append(LinearLags(weights, numpy.sqrt(numpy.maximum(residuals, 0.0) / count), alpha))
    return models


def choose_linear_lags(
    models: Sequence[LinearLags], history: numpy.ndarray, targets: numpy.ndarray, scales: numpy.ndarray
) -> LinearLags:
    """The model with the least squared error, in units of s, on windows that were held out.

    Args:
        models: one or more.
        history: (N, L) float64 without NaN.
        targets: (N, H) float64, NaN where nothing was observed.
        scales: (N,), s.
    """

    def error(model: LinearLags) -> float:
        mean, _ = model.forecast(history, scales)
        return float(numpy.nansum(((mean - targets) / scales[:, None]) ** 2))

    return min(models, key=error)


def _inputs(history: numpy.ndarray, scales: numpy.ndarray) -> numpy.ndarray:
    """(N, L + 1), with a 1 at the end."""
    differences = (history - history[:, -1:]) / scales[:, None]
    return numpy.concatenate([differences, numpy.ones((len(history), 1))], 1)
