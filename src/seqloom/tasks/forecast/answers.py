"""Answers to series that are lists of numbers: their next steps, without dates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import torch

from seqloom.data.series.dataset import fill_gaps
from seqloom.models.forecasting.ensemble import ForecastEnsemble
from seqloom.models.forecasting.forecaster import Covariates, History
from seqloom.tasks.base import Context, Output
from seqloom.tasks.forecast.batches import ForecastBatch
from seqloom.tasks.forecast.predicting import column_names, predict_batch
from seqloom.tasks.forecast.preparation import Preparation
from seqloom.tasks.forecast.scaling import window_scale
from seqloom.tasks.tracing import ForwardPass


def answer_items(model: ForecastEnsemble, items: Sequence[numpy.ndarray], context: Context) -> list[Output]:
    """The next steps of series that are arrays of numbers, without dates."""
    preparation: Preparation = context.preparation
    shape, h = preparation.shape, preparation.horizon
    names, outputs = column_names(context.decoding.level), []
    for y in items:
        batch = _batch_of(y, preparation).to(model.device)
        predicted = predict_batch(
            model, batch, shape.context, h, context.model, context.decoding, preparation.calibration
        )
        values = [column[0].tolist() for column in predicted.columns(context.decoding.level)]
        text = " ".join(f"{value:.6g}" for value in values[0])
        outputs.append(Output(text, dict(zip(names, values, strict=False))))
    return outputs


def pass_over(model: ForecastEnsemble, y: numpy.ndarray, context: Context) -> ForwardPass:
    """The pass of a model over the last steps (T,) of a series."""
    steps = context.preparation.shape.context
    batch = _batch_of(y, context.preparation).to(model.device)

    def run() -> None:
        model(batch.history, steps)

    return ForwardPass([f"{value:.6g}" for value in y[-steps:].tolist()], run)


def _batch_of(y: numpy.ndarray, preparation: Preparation) -> ForecastBatch:
    shape, h = preparation.shape, preparation.horizon
    sizes = numpy.array([numpy.nanstd(y), 0.0, 0.0])
    y = y[None, -(shape.context + shape.reach) :]
    shift, scale = window_scale(y, shape.scaling, sizes[0])
    scaled = (fill_gaps(y, preparation.config.fill) - shift[:, None]) / scale[:, None]
    length = y.shape[1]
    width = preparation.columns.sizes.future  # of the calendar
    shapes = (1, length, 0), (1, length + h, width), (1, 0)
    nothing = Covariates(*(torch.zeros(shape, device="cpu") for shape in shapes))
    observed, lengths = torch.from_numpy(~numpy.isnan(y)), torch.tensor([length], device="cpu")
    history = History(torch.from_numpy(scaled.astype(numpy.float32)), observed, lengths, nothing)
    missing = torch.full((1, 1, h), torch.nan, device="cpu")
    size = torch.from_numpy(sizes[None])
    return ForecastBatch(history, missing, torch.from_numpy(shift), torch.from_numpy(scale), size)
