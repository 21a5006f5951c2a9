"""Bands calibrated on forecasts of the validation split, which training did not learn from."""

from __future__ import annotations

import numpy
import torch

from seqloom.data.bucketing import BATCH_SIZE
from seqloom.data.series.dataset import SeriesData
from seqloom.data.series.windows import rolling_windows
from seqloom.metrics.forecast.bands import fit_calibration
from seqloom.models.forecasting.ensemble import ForecastEnsemble
from seqloom.tasks.base import Context
from seqloom.tasks.forecast.predicting import CALIBRATED_LEVELS, Calibration, predict_batch
from seqloom.tasks.forecast.preparation import Preparation

MAX_WINDOWS = 2000
"""Forecasts that are made for it; more say little more."""


@torch.inference_mode()
def calibrate(
    model: ForecastEnsemble, preparation: Preparation, data: SeriesData, context: Context
) -> Preparation:
    """The preparation with the calibration of a trained model."""
    series = preparation.arrange(data)
    split = series.splits.get("validation")
    if split is None or not split.steps:
        return preparation
    h, sizes = preparation.horizon, preparation.sizes(series)
    windows = rolling_windows(split, h, step_size=max(h // 4, 1))
    count = len(windows.numbers)
    if count > MAX_WINDOWS:
        windows = windows[numpy.sort(numpy.random.default_rng(0).permutation(count)[:MAX_WINDOWS])]
    decoding = context.decoding.model_copy(update={"level": list(CALIBRATED_LEVELS), "calibrated": False})
    parts: list[list[numpy.ndarray]] = []
    was_training = model.training
    model.eval()
    for start in range(0, len(windows.numbers), BATCH_SIZE):
        rows = windows[start : start + BATCH_SIZE]
        batch = preparation.cut(series, rows, preparation.shape._replace(forks=1), sizes).to(model.device)
        predicted = predict_batch(
            model, batch, preparation.shape.context, h, context.model, decoding, Calibration()
        )
        ends = [numpy.stack(ends, -1) for ends in zip(*map(predicted.band, CALIBRATED_LEVELS), strict=True)]
        parts.append([batch.values(), *ends, batch.scale.cpu().numpy()])
    model.train(was_training)
    y, low, high, scale = (numpy.concatenate(arrays) for arrays in zip(*parts, strict=True))
    steps = [
        tuple(fit_calibration(y, low[..., number], high[..., number], scale, level).tolist())
        for number, level in enumerate(CALIBRATED_LEVELS)
    ]
    return preparation.with_calibration(Calibration(CALIBRATED_LEVELS, tuple(steps)))
