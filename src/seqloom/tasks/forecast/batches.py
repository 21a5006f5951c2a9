"""From series to what a model reads: windows up to a cutoff, scaled, with the targets after it."""

from __future__ import annotations

from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from seqloom.data.batching import to_device
from seqloom.data.series.dataset import SeriesData, fill_gaps
from seqloom.data.series.options import Fill
from seqloom.data.series.windows import Windows
from seqloom.errors import DataError
from seqloom.models.forecasting.forecaster import Covariates, History
from seqloom.tasks.forecast.reference import Reference
from seqloom.tasks.forecast.scaling import Scaling, window_scale

COUNT_ERROR = 1e-3
"""Of a count that was scaled in float32 and back"""


class WindowShape(NamedTuple):
    """How series are cut into windows.

    Fields:
        horizon: h, steps that are forecast.
        context: steps that are read before the first forecast.
        reach: steps before these that lags look at.
        forks: forecasts of a window in training.
        stride: steps from one of these to the next.
        scaling: how a window is scaled.
    """

    horizon: int
    context: int
    reach: int
    forks: int = 1
    stride: int = 1
    scaling: Scaling = "standard"

    @property
    def span(self) -> int:
        """Steps from the first forecast of a window to the last."""
        return (self.forks - 1) * self.stride


class CovariateScales(NamedTuple):
    """Mean and deviation of exogenous and static columns in training, (2, F) each."""

    exogenous: numpy.ndarray
    static: numpy.ndarray


class ForecastBatch(NamedTuple):
    """Windows of series, and what came.

    Fields:
        history: scaled.
        targets: (B, F, h), scaled; NaN where nothing was observed or must be seen.
        shift: (B,) float64; y = shift + scale times the scaled value.
        scale: (B,) float64.
        sizes: (B, 3) of the series in training: deviation, seasonal naive error, mean absolute value.
        reference: for reports; None in training.
    """

    history: History
    targets: Tensor
    shift: Tensor
    scale: Tensor
    sizes: Tensor
    reference: Reference | None = None

    def to(self, device: torch.device) -> ForecastBatch:
        """On another device."""
        return to_device(self, device)

    def in_series_units(self, scaled: Tensor) -> Tensor:
        """Scaled values (..., B, F, h) in the units of the series."""
        return self.shift.view(-1, 1, 1) + self.scale.view(-1, 1, 1) * scaled

    def values(self) -> numpy.ndarray:
        """The targets of the last fork (B, h), in the units of the series."""
        shift, scale = (numbers.cpu().numpy()[:, None] for numbers in (self.shift, self.scale))
        return self.targets[:, -1].cpu().double().numpy() * scale + shift


def cut_windows(
    data: SeriesData,
    windows: Windows,
    shape: WindowShape,
    scales: CovariateScales,
    sizes: numpy.ndarray,
) -> ForecastBatch:
    """The windows of some series up to their cutoffs.

    Args:
        data: the series.
        windows: B of them; a cutoff is the step that the last forecast begins with, a stop the one after the
            last that may be seen as a target.
        shape: how they are cut.
        scales: of covariates.
        sizes: (S, 3) of every series in training: deviation, seasonal naive error, mean absolute value.
    """
    numbers, cutoffs, stops = windows.numbers, windows.cutoffs, windows.stops
    h, span = shape.horizon, shape.span
    length = int(min(shape.reach + shape.context + span, cutoffs.max()))
    lengths = numpy.minimum(cutoffs, length)
    y = data.windows(numbers, cutoffs, length)
    seen = _until(y, numpy.maximum(lengths - span, (lengths + 1) // 2) + (length - lengths))
    shift, scale = window_scale(seen, shape.scaling, sizes[numbers, 0])
    shift, scale = (values[:, None] for values in (shift, scale))
    values = (_fill_windows(y, data.layout.fill, length - span) - shift) / scale
    places = numpy.arange(length) + (length - lengths)[:, None]  # rows begin at 0: padding is at the end
    places = numpy.minimum(places, length - 1)
    ahead = numpy.minimum(numpy.arange(length + h) + (length - lengths)[:, None], length + h - 1)
    targets = data.windows(numbers, cutoffs + h, h + span)
    steps = (cutoffs - span)[:, None] + numpy.arange(h + span)
    targets[(steps >= stops[:, None]) | (steps < 1)] = numpy.nan
    forks = numpy.arange(shape.forks)[:, None] * shape.stride + numpy.arange(h)
    targets = (((targets - shift) / scale)[:, forks]).astype(numpy.float32)
    targets[(cutoffs - span)[:, None] + numpy.arange(shape.forks) * shape.stride < 1] = numpy.nan
    history = History(
        _floats(numpy.take_along_axis(values, places, 1)),
        torch.from_numpy(numpy.take_along_axis(~numpy.isnan(y), places, 1)),
        torch.from_numpy(lengths.astype(numpy.int64)),
        _covariates(data, numbers, cutoffs, (places, ahead), scales),
    )
    return ForecastBatch(
        history,
        torch.from_numpy(targets),
        torch.from_numpy(shift[:, 0].copy()),
        torch.from_numpy(scale[:, 0].copy()),
        torch.from_numpy(sizes[numbers]),
    )


def _fill_windows(y: numpy.ndarray, fill: Fill, cutoff: int) -> numpy.ndarray:
    """Windows (B, S) without NaN. No line leads across a fork, the first of which is at `cutoff`: after it a
    gap is filled by the value before."""
    if fill != "interpolate" or cutoff == y.shape[1]:
        return fill_gaps(y, fill)
    is_early = numpy.arange(y.shape[1]) < cutoff
    early = fill_gaps(numpy.where(is_early, y, numpy.nan), fill)
    return numpy.where(is_early, early, fill_gaps(y))


def _until(y: numpy.ndarray, ends: numpy.ndarray) -> numpy.ndarray:
    """Rows (B, S) up to their ends (B,); the rest is NaN."""
    return numpy.where(numpy.arange(y.shape[1]) < ends[:, None], y, numpy.nan)


def _covariates(
    data: SeriesData,
    numbers: numpy.ndarray,
    cutoffs: numpy.ndarray,
    places: tuple[numpy.ndarray, numpy.ndarray],
    scales: CovariateScales,
) -> Covariates:
    """Scaled; historic columns up to the cutoff, known ones and the calendar over the horizon too."""
    layout, (past, ahead) = data.layout, places
    length, width = past.shape[1], ahead.shape[1]
    stops = cutoffs + (width - length)
    exogenous = data.exogenous_windows(numbers, stops, width)
    number = len(layout.historic)
    mean, deviation = scales.exogenous
    exogenous = numpy.nan_to_num((exogenous - mean) / deviation, nan=0.0)
    calendar = numpy.zeros((*ahead.shape, 0))
    if layout.calendar or layout.holidays:
        calendar = data.calendar(data.times(numbers, stops, width))
    future = numpy.concatenate([exogenous[:, :, number:], calendar], 2)
    static_mean, static_deviation = scales.static
    static = (data.arrays.static[numbers] - static_mean) / static_deviation
    return Covariates(
        _floats(numpy.take_along_axis(exogenous[:, :length, :number], past[:, :, None], 1)),
        _floats(numpy.take_along_axis(future, ahead[:, :, None], 1)),
        _floats(numpy.nan_to_num(static, nan=0.0)),
    )


def _floats(values: numpy.ndarray) -> Tensor:
    return torch.from_numpy(numpy.ascontiguousarray(values, dtype=numpy.float32))


def require_counts(y: numpy.ndarray) -> None:
    """Check that values are counts, of which a negative binomial distribution is; NaN is none.

    Raises:
        DataError: one is negative or a fraction.
    """
    y = y[~numpy.isnan(y)]
    is_bad = (y < -COUNT_ERROR) | (numpy.abs(y - y.round()) > COUNT_ERROR * numpy.maximum(numpy.abs(y), 1))
    if is_bad.any():
        expected = "model.output=negative_binomial needs counts: integers from 0 on"
        got, hint = f"{y[is_bad][0]:.6g}", "Use quantile or student_t"
        raise DataError("forecast", expected, got=got, hint=hint)
