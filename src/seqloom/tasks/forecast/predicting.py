"""Forecasts of windows, in the units of the series: a number and bands for each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy
import torch

from seqloom.metrics.forecast.bands import calibrate, nest
from seqloom.models.forecasting.ensemble import ForecastEnsemble
from seqloom.models.forecasting.rollout import Paths, extend, forecast_direct, forecast_paths
from seqloom.tasks.forecast.batches import ForecastBatch
from seqloom.tasks.forecast.config import DecodingConfig, ModelConfig

QUANTILE_LEVELS = tuple(number / 10 for number in range(1, 10))
"""Over which the weighted quantile loss is averaged, as in GluonTS"""
CALIBRATED_LEVELS = (20.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0)
"""Percent of the bands that are calibrated, whose ends are all quantiles .1 to .9; others lie between."""


class Calibration(NamedTuple):
    """How far the ends of bands move, in scaled units, so that they hold what they should.

    Fields:
        levels: in percent, rising; none: bands stay as they are.
        steps: for each level as many moves as the horizon has steps, or one for all.
    """

    levels: tuple[float, ...] = ()
    steps: tuple[tuple[float, ...], ...] = ()

    def moves(self, level: float, horizon: int) -> numpy.ndarray:
        """Of a band (h,); between two levels they are interpolated."""
        if not self.levels:
            return numpy.zeros(horizon)
        places = numpy.minimum(numpy.arange(horizon), len(self.steps[0]) - 1)
        table = numpy.array(self.steps)[:, places]
        return numpy.array([numpy.interp(level, self.levels, column) for column in table.T])


UNCALIBRATED = Calibration()


class Predicted(NamedTuple):
    """Forecasts (B, h), float64, in the units of the series.

    Fields:
        center: the mean; of quantiles the median.
        levels: of the quantiles.
        quantiles: (B, h, Q); the center where a model gives a number alone.
        has_bands: whether it gives more, or bands were calibrated.
    """

    center: numpy.ndarray
    levels: tuple[float, ...]
    quantiles: numpy.ndarray
    has_bands: bool

    def band(self, level: float) -> tuple[numpy.ndarray, numpy.ndarray]:
        """The ends of the band (B, h) that holds `level` percent."""
        low, high = band_levels(level)
        return tuple(self.quantiles[..., self.levels.index(end)] for end in (low, high))  # type: ignore[return-value]

    def columns(self, levels: Sequence[float]) -> list[numpy.ndarray]:
        """The center, then the ends of each band if there are any: the columns of `column_names`."""
        bands = [end for level in levels for end in self.band(level)] if self.has_bands else []
        return [self.center, *bands]


def column_names(levels: Sequence[float]) -> list[str]:
    """As Nixtla's packages call them.

    >>> column_names([80])
    ['mean', 'lo-80', 'hi-80']
    """
    return ["mean", *(f"{end}-{level:g}" for level in levels for end in ("lo", "hi"))]


def band_levels(level: float) -> tuple[float, float]:
    """The levels of the quantiles that bound a band.

    >>> band_levels(80)
    (0.1, 0.9)
    """
    tail = round((100 - level) / 200, 6)
    return tail, round(1 - tail, 6)


def quantile_levels(bands: Sequence[float]) -> tuple[float, ...]:
    """All levels that reports and bands need, rising."""
    return tuple(sorted({*QUANTILE_LEVELS, *(end for level in bands for end in band_levels(level))}))


@torch.no_grad()
def predict_batch(
    model: ForecastEnsemble,
    batch: ForecastBatch,
    context_steps: int,
    horizon: int,
    config: ModelConfig,
    decoding: DecodingConfig,
    calibration: Calibration,
) -> Predicted:
    """Forecast a batch of windows.

    Args:
        model: in evaluation mode.
        batch: with one fork a window, and covariates that are known ahead for all of the horizon.
        context_steps: that are read.
        horizon: steps to forecast.
        config: of the model.
        decoding: levels, paths.
        calibration: of the bands.
    """
    shift, scale = (values.cpu().numpy()[:, None] for values in (batch.shift, batch.scale))
    levels, output = quantile_levels(decoding.level), model.output
    if config.steps == "autoregressive":
        paths = Paths(decoding.num_samples, decoding.seed)
        drawn = forecast_paths(model, batch.history, context_steps, horizon, paths, batch.scale.float())
        samples = drawn.cpu().double().numpy()
        center = samples.mean(1)
        has_bands = output.kind not in ("mae", "mse")
        quantiles = numpy.moveaxis(numpy.quantile(samples, levels, axis=1), 0, -1)
        if output.kind == "quantile":
            center = numpy.median(samples, axis=1)
    else:
        parameters = forecast_direct(model, batch.history, context_steps, horizon)
        center = output.center(parameters).cpu().double().numpy()
        values = output.quantiles(parameters.cpu().double().numpy(), levels, scale)
        has_bands = values is not None
        quantiles = numpy.repeat(center[..., None], len(levels), -1) if values is None else values
        if has_bands:
            quantiles = _widen_after(quantiles, center, model.horizon)
    if decoding.calibrated and calibration.levels:
        quantiles = _calibrate(quantiles, levels, calibration)
        has_bands = True
    return Predicted(
        center * scale + shift, levels, quantiles * scale[..., None] + shift[..., None], has_bands
    )


def _widen_after(quantiles: numpy.ndarray, center: numpy.ndarray, horizon: int) -> numpy.ndarray:
    """Bands beyond the trained horizon, which begin at a forecast and not at an observation.

    What is unknown at the end of one pass is added to that of the next as of independent errors.
    """
    steps = quantiles.shape[1]
    if steps <= horizon:
        return quantiles
    offsets = quantiles - center[..., None]
    for start in range(horizon, steps, horizon):
        before = offsets[:, start - 1 : start]
        part = offsets[:, start : start + horizon]
        sign = numpy.sign(before)
        part[:] = numpy.where(sign == 0, part, sign * numpy.hypot(before, part))
    return numpy.sort(center[..., None] + offsets, -1)


def _calibrate(
    quantiles: numpy.ndarray, levels: tuple[float, ...], calibration: Calibration
) -> numpy.ndarray:
    """Move the ends of each band outward (or inward) by what the validation split asks for.

    Quantiles are those of `quantile_levels`: the median, and on both sides of it the ends of bands.
    """
    ones, median = numpy.ones(len(quantiles)), quantiles[..., levels.index(0.5)]
    bands: list[tuple[numpy.ndarray, numpy.ndarray]] = []
    for place in reversed(range(len(levels) // 2)):  # from the narrowest band to the widest
        moves = calibration.moves(100 * (1 - 2 * levels[place]), quantiles.shape[1])
        bands.append(calibrate(quantiles[..., place], quantiles[..., -1 - place], ones, moves))
    nest(bands, median)
    lows, highs = ([band[end] for band in bands] for end in (0, 1))
    return numpy.stack([*reversed(lows), median, *highs], -1)


def teacher_forced_nats(model: ForecastEnsemble, batch: ForecastBatch, context_steps: int) -> torch.Tensor:
    """Nats (B, h) of the targets, each given what came before it; 0 where there is none."""
    targets = batch.targets[:, 0]
    mask, scale, output = ~targets.isnan(), batch.scale.float()[:, None, None], model.output
    if model.horizon > 1:
        parameters = model(batch.history, context_steps)[:, :, 0].mean(0)
        return output.loss(parameters, targets.nan_to_num(), scale[..., 0]) * mask
    steps = targets.shape[1]
    history = extend(batch.history, targets.nan_to_num()[:, :-1]) if steps > 1 else batch.history
    parameters = model(history, context_steps, steps, 1)[:, :, :, 0].mean(0)
    return output.loss(parameters, targets.nan_to_num(), scale[..., 0]) * mask
