"""Forecasts as tables, pictures and answers: the next steps of every series, with their dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy
import torch

from seqloom.data.bucketing import BATCH_SIZE
from seqloom.data.series.dataset import SeriesData, fill_gaps
from seqloom.data.series.table import SeriesTable
from seqloom.data.series.windows import Windows
from seqloom.errors import DataError
from seqloom.models.forecasting.ensemble import ForecastEnsemble
from seqloom.models.forecasting.forecaster import Covariates, History
from seqloom.progress import phase
from seqloom.tasks.base import Context, Output
from seqloom.tasks.forecast.batches import ForecastBatch
from seqloom.tasks.forecast.predicting import Predicted, predict_batch
from seqloom.tasks.forecast.preparation import Preparation
from seqloom.tasks.forecast.reference import measure_sizes
from seqloom.tasks.forecast.scaling import window_scale
from seqloom.tasks.forecasting import Forecast, ForecastRequest, PicturedSeries

PICTURED_HORIZONS = 4
"""Of history that a picture shows, at least"""


@torch.inference_mode()
def forecast_table(
    model: ForecastEnsemble, table: SeriesTable, request: ForecastRequest, context: Context
) -> Forecast:
    """The steps after the last observed one of every series of a table.

    Raises:
        DataError: a known-future column does not reach as far as the horizon.
    """
    preparation: Preparation = context.preparation
    series = preparation.arrange_all(table)
    horizon = request.horizon or preparation.horizon
    require_future(series, horizon)
    numbers, cutoffs = numpy.arange(len(series)), series.lengths
    sizes = measure_sizes(series, cutoffs, preparation.season)
    mean, deviation = series.arrays.scales.T[:, :, None]
    names, columns = _column_names(context), dict[str, list[numpy.ndarray]]()
    with phase("forecasting", total=len(series), unit="series") as forecasting:
        for start in range(0, len(series), BATCH_SIZE):
            rows = slice(start, start + BATCH_SIZE)
            predicted = _predict(
                model, series, Windows(numbers, cutoffs, cutoffs)[rows], sizes, horizon, context
            )
            for name, values in zip(names, _values(predicted, context.decoding.level), strict=False):
                columns.setdefault(name, []).append(values * deviation[rows] + mean[rows])
            forecasting.advance(len(predicted.center))
    tables = {name: numpy.concatenate(parts) for name, parts in columns.items()}
    times = series.times(numbers, cutoffs + horizon, horizon)
    ds = series.format_times(times.ravel())
    remarks = []
    if horizon > preparation.horizon:
        remarks.append(
            f"trained for {preparation.horizon:,} steps: later ones go on from the forecast itself, and "
            "their bands are rough"
        )
    pictured = [
        picture_series(series, number, {name: values[number] for name, values in tables.items()}, horizon)
        for number in range(min(request.num_pictured, len(series)))
    ]
    ids = [name for name in series.unique_ids for _ in range(horizon)]
    return Forecast(ids, ds, {name: values.ravel() for name, values in tables.items()}, remarks, pictured)


def picture_series(
    series: SeriesData, number: int, columns: Mapping[str, numpy.ndarray], horizon: int
) -> PicturedSeries:
    """A series and its forecast, with as much history as a picture has room for."""
    one = series.series(number)
    mean, deviation = series.arrays.scales[number]
    steps = min(len(one.y), max(PICTURED_HORIZONS * horizon, 2 * series.layout.season))
    stop = numpy.array([len(one.y) + horizon])
    times = series.times(numpy.array([number]), stop, steps + horizon)
    history = one.y[len(one.y) - steps :] * deviation + mean
    ds = series.format_times(times[0])
    return PicturedSeries(one.unique_id, ds, history, columns, numpy.full(horizon, numpy.nan))


def require_future(series: SeriesData, horizon: int) -> None:
    """Check that the columns that are known beforehand reach as far as the horizon.

    Raises:
        DataError: they do not.
    """
    if not series.layout.future:
        return
    ahead = series.arrays.rows - series.lengths
    short = numpy.flatnonzero(ahead < horizon)
    if len(short):
        name = series.unique_ids[int(short[0])]
        expected = f"expected {', '.join(series.layout.future)} for {horizon:,} steps after the end of {name}"
        hint = "Add rows without y, or a file future.csv"
        raise DataError(series.path, expected, got=f"{int(ahead[short[0]]):,}", hint=hint)


def _predict(
    model: ForecastEnsemble,
    series: SeriesData,
    windows: Windows,
    sizes: numpy.ndarray,
    horizon: int,
    context: Context,
) -> Predicted:
    preparation: Preparation = context.preparation
    shape = preparation.shape._replace(forks=1, horizon=horizon)
    batch = preparation.cut(series, windows, shape, sizes)
    return predict_batch(
        model, batch, shape.context, horizon, context.model, context.decoding, preparation.calibration
    )


def _column_names(context: Context) -> list[str]:
    names = ["mean"]
    for level in context.decoding.level:
        names += [f"lo-{level:g}", f"hi-{level:g}"]
    return names


def _values(predicted: Predicted, levels: Sequence[float]) -> list[numpy.ndarray]:
    bands = [end for level in levels for end in predicted.band(level)] if predicted.has_bands else []
    return [predicted.center, *bands]


def answer_items(model: ForecastEnsemble, items: Sequence[numpy.ndarray], context: Context) -> list[Output]:
    """The next steps of series that are arrays of numbers, without dates."""
    preparation: Preparation = context.preparation
    shape, h = preparation.shape, preparation.horizon
    names, outputs = _column_names(context), []
    for y in items:
        batch = _batch_of(y, preparation)
        predicted = predict_batch(
            model, batch, shape.context, h, context.model, context.decoding, preparation.calibration
        )
        values = [column[0].tolist() for column in _values(predicted, context.decoding.level)]
        text = " ".join(f"{value:.6g}" for value in values[0])
        outputs.append(Output(text, dict(zip(names, values, strict=False))))
    return outputs


def _batch_of(y: numpy.ndarray, preparation: Preparation) -> ForecastBatch:
    shape, h = preparation.shape, preparation.horizon
    sizes = numpy.array([numpy.nanstd(y), 0.0])
    y = y[None, -(shape.context + shape.reach) :]
    shift, scale = window_scale(y, shape.scaling, sizes[0])
    scaled = (fill_gaps(y, preparation.config.fill) - shift[:, None]) / scale[:, None]
    length = y.shape[1]
    width = preparation.columns.sizes.future  # of the calendar
    nothing = Covariates(torch.zeros(1, length, 0), torch.zeros(1, length + h, width), torch.zeros(1, 0))
    observed, lengths = torch.from_numpy(~numpy.isnan(y)), torch.tensor([length])
    history = History(torch.from_numpy(scaled.astype(numpy.float32)), observed, lengths, nothing)
    missing = torch.full((1, 1, h), torch.nan)
    size = torch.from_numpy(sizes[None])
    return ForecastBatch(history, missing, torch.from_numpy(shift), torch.from_numpy(scale), size)
