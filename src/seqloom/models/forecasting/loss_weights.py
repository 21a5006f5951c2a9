"""The unit of the loss: what makes of errors in the unit of their window those that a score counts."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from seqloom.models.forecasting.outputs import OutputKind

LossUnit: TypeAlias = Literal["window", "series", "seasonal", "owa"]

PERCENT_WEIGHT = 13.0
"""Of an error in units of the forecast beside one in units of the seasonal naive error, in the unit `owa`:
100 percent over the sMAPE of Naive2 on M4's hourly series, 18.4, times its MASE, 2.4."""
SMALLEST_FORECAST = 0.03
"""Of the mean absolute value of a series: a smaller forecast counts as this, because a percentage of nothing
has no bound."""
MAX_WEIGHT = 20.0
"""Of a window in the loss: one whose series hardly ever changes must not drown the others."""


class SeriesSizes(NamedTuple):
    """How large each window's series is in training, (B,) each.

    Fields:
        deviation: of its values.
        seasonal_error: of the seasonal naive forecast.
        mean: of absolute values.
    """

    deviation: Tensor
    seasonal_error: Tensor
    mean: Tensor


def loss_weights(
    unit: LossUnit, kind: OutputKind, scale: Tensor, sizes: SeriesSizes, forecasts: Tensor
) -> Tensor:
    """What the loss of each forecast is multiplied by.

    A likelihood has no unit: those of distributions are not weighted.

    Args:
        unit: any; `window` is 1.
        kind: of the output.
        scale: (B,) what the values of each window were divided by.
        sizes: of its series.
        forecasts: (..., B, F, h) point forecasts as they are now, in the units of the series.

    Returns:
        Weights that broadcast to the forecasts.
    """
    scale = scale.view(-1, 1, 1)
    if unit == "window" or kind in ("student_t", "negative_binomial"):
        return torch.ones_like(scale)
    deviation, seasonal_error, mean = (size.view(-1, 1, 1) for size in sizes)
    weights = _ratio(scale, deviation if unit == "series" else seasonal_error)
    if unit == "owa":
        percents = _ratio(scale, forecasts.abs().maximum(SMALLEST_FORECAST * mean))
        weights = (weights + PERCENT_WEIGHT * percents) / 2
    return weights.square() if kind == "mse" else weights


def _ratio(scale: Tensor, size: Tensor) -> Tensor:
    """Of the scale of windows to a size; 0 where that is 0."""
    ratio = torch.where(size > 0, scale / size.clamp(min=1e-300), torch.zeros_like(size))
    return ratio.clamp(max=MAX_WEIGHT)
