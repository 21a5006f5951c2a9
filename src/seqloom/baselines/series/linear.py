r"""A linear model on lags: ridge regression from the last L steps to each of the next H, all series together.

.. math::

    \hat y_{T + h} = x_T + s \, \Big( b_h + \sum_{l=1}^{L} w_{h l} \, (x_{T - l + 1} - x_T) / s \Big)

where x is the history and s its mean absolute deviation from the last value, so that series of any size share
the weights. The weights minimize the squared error in units of s, plus alpha times their squares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy

ALPHA = 1.0
"""Of the ridge, for each thousand training windows"""


class LinearLags(NamedTuple):
    """A fitted model."""

    weights: numpy.ndarray
    """(L + 1, H) float64; the last row is the intercept"""
    deviations: numpy.ndarray
    """(H,) float64: of the residuals, in units of s"""

    @property
    def lags(self) -> int:
        """L."""
        return len(self.weights) - 1

    def forecast(self, history: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Forecast from the last steps before a cutoff.

        Args:
            history: (N, L) float64 without NaN.

        Returns:
            Mean and deviation, (N, H) each.
        """
        inputs, last, scale = _normalize(history)
        mean = last + scale * (inputs @ self.weights)
        return mean, scale * self.deviations


def fit_linear_lags(windows: Iterable[numpy.ndarray], lags: int, alpha: float = ALPHA) -> LinearLags:
    """Fit the model, in one pass and in the memory of one chunk.

    Args:
        windows: chunks (n, L + H) float64 of training windows: lags without NaN, then targets. A window whose
            targets are not all observed is left out.
        lags: L.
        alpha: of the ridge, for each thousand windows.

    >>> steps = numpy.arange(400.0)
    >>> windows = numpy.sin(0.3 * (steps[:380, None] + numpy.arange(12)))
    >>> model = fit_linear_lags([windows], lags=8, alpha=1e-6)
    >>> bool(numpy.abs(model.forecast(windows[:, :8])[0] - windows[:, 8:]).max() < 1e-3)
    True
    """
    gram = product = squares = None
    count = 0
    for chunk in windows:
        usable = chunk[~numpy.isnan(chunk).any(1)]
        inputs, last, scale = _normalize(usable[:, :lags])
        targets = (usable[:, lags:] - last) / scale
        if gram is None:
            gram = numpy.zeros((lags + 1, lags + 1))
            product = numpy.zeros((lags + 1, chunk.shape[1] - lags))
            squares = numpy.zeros(chunk.shape[1] - lags)
        gram += inputs.T @ inputs
        product += inputs.T @ targets
        squares += (targets**2).sum(0)
        count += len(usable)
    assert gram is not None
    assert product is not None
    penalty = numpy.full(lags + 1, alpha * max(count, 1) / 1000)
    penalty[-1] = 1e-9  # the intercept is free
    weights = numpy.linalg.solve(gram + numpy.diag(penalty), product)
    residuals = squares - 2 * (weights * product).sum(0) + (weights * (gram @ weights)).sum(0)
    return LinearLags(weights, numpy.sqrt(numpy.maximum(residuals, 0.0) / max(count, 1)))


def _normalize(history: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Inputs (N, L + 1) with a 1 at the end, the last value (N, 1), and the size of the history (N, 1)."""
    last = history[:, -1:]
    differences = history - last
    scale = numpy.abs(differences).mean(1, keepdims=True)
    floor = 1e-9 * numpy.maximum(numpy.abs(last), 1e-9)
    scale = numpy.where(scale > floor, scale, 1.0)
    return numpy.concatenate([differences / scale, numpy.ones_like(last)], 1), last, scale
