"""The unit of the loss: a window counts by its scale over a size of its series, or of the forecast itself."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from seqloom.models.forecasting.loss_weights import (
    MAX_WEIGHT,
    PERCENT_WEIGHT,
    SMALLEST_FORECAST,
    SeriesSizes,
    loss_weights,
)

SCALE = torch.tensor([1.0, 8.0], dtype=torch.float64)
SIZES = SeriesSizes(*torch.tensor([[2.0, 4.0], [0.5, 2.0], [10.0, 20.0]], dtype=torch.float64))
FORECASTS = torch.tensor([[[[5.0, -2.0]], [[40.0, 0.0]]]], dtype=torch.float64)  # (E, B, F, h)


def test_a_window_counts_by_its_scale_over_a_size_of_its_series() -> None:
    assert loss_weights("series", "mae", SCALE, SIZES, FORECASTS).flatten().tolist() == [0.5, 2.0]
    assert loss_weights("series", "mse", SCALE, SIZES, FORECASTS).flatten().tolist() == [0.25, 4.0]
    assert loss_weights("seasonal", "quantile", SCALE, SIZES, FORECASTS).flatten().tolist() == [2.0, 4.0]


def test_with_owa_a_forecast_counts_by_its_own_size_too() -> None:
    """As in MASE by the seasonal naive error, and as in sMAPE in percent, of at least a little."""
    smallest = SMALLEST_FORECAST * 20
    percents = torch.tensor([[1 / 5, 1 / 2], [8 / 40, 8 / smallest]], dtype=torch.float64)
    expected = (torch.tensor([[2.0], [4.0]]) + PERCENT_WEIGHT * percents) / 2
    assert_close(loss_weights("owa", "quantile", SCALE, SIZES, FORECASTS)[0, :, 0], expected)


def test_no_window_drowns_the_others() -> None:
    """A series that never changes has no seasonal naive error, and one of zeros no size at all."""
    nothing = SeriesSizes(*torch.tensor([[1e-9, 0.0], [0.0, 0.0], [1e-9, 0.0]], dtype=torch.float64))
    zeros = torch.zeros_like(FORECASTS)
    assert loss_weights("series", "mae", SCALE, nothing, zeros).flatten().tolist() == [MAX_WEIGHT, 0.0]
    weights = loss_weights("owa", "mae", SCALE, nothing, zeros)[0, :, 0, 0]
    assert weights.tolist() == [PERCENT_WEIGHT * MAX_WEIGHT / 2, 0.0]


def test_windows_and_likelihoods_are_not_weighted() -> None:
    assert loss_weights("window", "mae", SCALE, SIZES, FORECASTS).eq(1).all()
    assert loss_weights("owa", "student_t", SCALE, SIZES, FORECASTS).eq(1).all()
    assert loss_weights("series", "negative_binomial", SCALE, SIZES, FORECASTS).eq(1).all()
