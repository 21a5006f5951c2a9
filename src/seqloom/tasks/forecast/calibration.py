"""Bands as wide as they must be: calibrated on forecasts of the validation split, which training did not see."""

from __future__ import annotations

import numpy
import torch

from seqloom.data.bucketing import BATCH_SIZE
from seqloom.data.series.table import SeriesTable
from seqloom.data.series.windows import rolling_windows
from seqloom.models.forecasting.ensemble import ForecastEnsemble
from seqloom.tasks.base import Context
from seqloom.tasks.forecast.predicting import Calibration, Predicted, predict_batch
from seqloom.tasks.forecast.preparation import Preparation

LEVELS = (50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 98.0)
MAX_WINDOWS = 2000
"""Forecasts that are made for it; more say little more."""
MIN_ROWS = 50
"""Forecasts for which each step of the horizon has a width of its own."""


@torch.inference_mode()
def calibrate(
    model: ForecastEnsemble, preparation: Preparation, table: SeriesTable, context: Context
) -> Preparation:
    """The preparation with the calibration of a trained model."""
    series = preparation.arrange(table)
    split = series.splits.get("validation")
    if split is None or not split.steps:
        return preparation
    h = preparation.horizon
    windows = rolling_windows(split, h, step_size=max(h // 4, 1))
    count = len(windows.numbers)
    if count > MAX_WINDOWS:
        windows = windows[numpy.sort(numpy.random.default_rng(0).permutation(count)[:MAX_WINDOWS])]
    decoding = context.decoding.model_copy(update={"level": list(LEVELS), "calibrated": False})
    sizes = preparation.sizes(series)
    outside: list[numpy.ndarray] = []
    was_training = model.training
    model.eval()
    for start in range(0, len(windows.numbers), BATCH_SIZE):
        rows = windows[start : start + BATCH_SIZE]
        batch = preparation.cut(series, rows, preparation.shape._replace(forks=1), sizes)
        predicted = predict_batch(
            model, batch, preparation.shape.context, h, context.model, decoding, Calibration()
        )
        shift, scale = (values.numpy()[:, None] for values in (batch.shift, batch.scale))
        y = batch.targets[:, 0].double().numpy() * scale + shift
        outside.append(_outside(y, predicted) / scale[..., None])
    model.train(was_training)
    errors = numpy.concatenate(outside)
    return preparation.with_calibration(Calibration(LEVELS, conformal_moves(errors)))


def _outside(y: numpy.ndarray, predicted: Predicted) -> numpy.ndarray:
    """How far what came lies outside each band, (B, h, L); below 0: inside. NaN: nothing came."""
    bands = [predicted.band(level) for level in LEVELS]
    return numpy.stack([numpy.maximum(low - y, y - high) for low, high in bands], -1)


def conformal_moves(outside: numpy.ndarray) -> tuple[tuple[float, ...], ...]:
    """How far the ends of each band must move to hold its share of what came.

    Conformalized quantile regression (Romano et al. 2019, arXiv:1905.03222): a quantile of how far outside the
    targets are, for each step of the horizon where there are enough forecasts, else over all steps.

    Args:
        outside: (N, h, L), with NaN where nothing came.
    """
    is_enough = (~numpy.isnan(outside[..., 0])).sum(0).min() >= MIN_ROWS
    moves = []
    for number, level in enumerate(LEVELS):
        columns = outside[..., number].T if is_enough else [outside[..., number].ravel()]
        moves.append(tuple(_upper_quantile(column[~numpy.isnan(column)], level) for column in columns))
    return tuple(moves)


def _upper_quantile(values: numpy.ndarray, level: float) -> float:
    """The ceil((n + 1) level)-th smallest: the correction for a finite sample. 0 of none."""
    if not len(values):
        return 0.0
    rank = min(int(numpy.ceil((len(values) + 1) * level / 100)), len(values))
    return float(numpy.partition(values, rank - 1)[rank - 1])
