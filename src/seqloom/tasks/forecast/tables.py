"""Forecasts as tables and pictures: the next steps of every series, or a backtest, with their dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy
import torch

from seqloom.data.bucketing import BATCH_SIZE
from seqloom.data.series.dataset import SeriesData
from seqloom.data.series.table import SeriesTable
from seqloom.data.series.windows import Windows, describe_shortage, rolling_windows
from seqloom.errors import DataError
from seqloom.models.forecasting.ensemble import ForecastEnsemble
from seqloom.progress import phase
from seqloom.tasks.base import Context
from seqloom.tasks.forecast.predicting import column_names, predict_batch
from seqloom.tasks.forecast.reference import measure_sizes
from seqloom.tasks.forecasting import Forecast, ForecastRequest, PicturedSeries

PICTURED_HORIZONS = 4
"""Of history that a picture shows, at least"""


class Planned(NamedTuple):
    """The forecasts to make.

    Fields:
        series: what is forecast.
        windows: from which cutoffs.
        sizes: (S, 3) of every series.
        horizon: steps.
        is_backtest: whether what came is known.
    """

    series: SeriesData
    windows: Windows
    sizes: numpy.ndarray
    horizon: int
    is_backtest: bool = False


@torch.inference_mode()
def forecast_table(
    model: ForecastEnsemble, table: SeriesTable, request: ForecastRequest, context: Context
) -> Forecast:
    """The steps after the last observed one of every series of a table, or those of a backtest.

    Raises:
        DataError: a known-future column does not reach as far as the horizon, or there is no such split.
    """
    plan = plan_forecasts(table, request, context)
    series, windows, horizon = plan.series, plan.windows, plan.horizon
    columns = _predict(model, plan, context)
    numbers, cutoffs, stops = windows.numbers, windows.cutoffs, windows.stops
    times = series.times(numbers, cutoffs + horizon, horizon)
    pictured = [
        picture_series(plan, row, {name: values[row] for name, values in columns.items()})
        for row in _last_of_each(numbers)[: request.num_pictured].tolist()
    ]
    is_asked = numpy.ones(times.shape, bool)
    cutoff: list[str] = []
    if request.split is not None:
        columns = {"y": _values_of(plan, windows), **columns}
        is_asked = cutoffs[:, None] + numpy.arange(horizon) < stops[:, None]
        before = numpy.repeat(series.times(numbers, cutoffs, 1), horizon, axis=1)
        cutoff = series.format_times(before[is_asked])
    rows = numpy.repeat(numbers[:, None], horizon, axis=1)[is_asked]
    return Forecast(
        numpy.asarray(series.unique_ids, dtype=object)[rows].tolist(),
        series.format_times(times[is_asked]),
        {name: values[is_asked] for name, values in columns.items()},
        cutoff,
        _remarks(plan, context),
        pictured,
    )


def plan_forecasts(table: SeriesTable, request: ForecastRequest, context: Context) -> Planned:
    """Which forecasts are asked for.

    Raises:
        DataError: a known-future column does not reach as far as the horizon, or there is no such split.
    """
    preparation, decoding = context.preparation, context.decoding
    horizon = request.horizon or preparation.horizon
    if request.split is None:
        series = preparation.arrange_all(table)
        require_future(series, horizon)
        cutoffs = series.lengths
        windows = Windows(numpy.arange(len(series)), cutoffs, cutoffs)
        return Planned(series, windows, measure_sizes(series, cutoffs, preparation.season), horizon)
    series = preparation.arrange(table)
    split, step_size = series.split(request.split), decoding.step_size or horizon
    windows = rolling_windows(split, horizon, n_windows=decoding.n_windows, step_size=step_size)
    return Planned(series, windows, preparation.sizes(series), horizon, is_backtest=True)


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


def picture_series(plan: Planned, row: int, columns: Mapping[str, numpy.ndarray]) -> PicturedSeries:
    """A series and its forecast, with as much history as a picture has room for."""
    series, windows, horizon = plan.series, plan.windows, plan.horizon
    window = windows[row : row + 1]
    cutoff = int(window.cutoffs[0])
    length = min(cutoff, max(PICTURED_HORIZONS * horizon, 2 * series.layout.season))
    times = series.times(window.numbers, window.cutoffs + horizon, length + horizon)
    mean, deviation = series.arrays.scales[window.numbers[0]]
    history = series.windows(window.numbers, window.cutoffs, length)[0] * deviation + mean
    name = series.unique_ids[int(window.numbers[0])]
    actual = _values_of(plan, window)[0]
    return PicturedSeries(name, series.format_times(times[0]), history, columns, actual)


def _predict(model: ForecastEnsemble, plan: Planned, context: Context) -> dict[str, numpy.ndarray]:
    """The columns of all forecasts, (N, h) each, in the units of the table."""
    preparation, levels = context.preparation, context.decoding.level
    series, windows, horizon = plan.series, plan.windows, plan.horizon
    shape = preparation.shape._replace(forks=1, horizon=horizon)
    columns: dict[str, list[numpy.ndarray]] = {}
    with phase("forecasting", total=len(windows.numbers), unit="forecasts") as forecasting:
        for start in range(0, len(windows.numbers), BATCH_SIZE):
            some = windows[start : start + BATCH_SIZE]
            batch = preparation.cut(series, some, shape, plan.sizes).to(model.device)
            predicted = predict_batch(
                model,
                batch,
                shape.context,
                horizon,
                context.model,
                context.decoding,
                preparation.calibration,
            )
            mean, deviation = series.arrays.scales[some.numbers].T[:, :, None]
            for name, values in zip(column_names(levels), predicted.columns(levels), strict=False):
                columns.setdefault(name, []).append(values * deviation + mean)
            forecasting.advance(len(some.numbers))
    return {name: numpy.concatenate(parts) for name, parts in columns.items()}


def _values_of(plan: Planned, windows: Windows) -> numpy.ndarray:
    """What came (N, h), in the units of the table; NaN where it is not known."""
    series, horizon = plan.series, plan.horizon
    mean, deviation = series.arrays.scales[windows.numbers].T[:, :, None]
    return series.windows(windows.numbers, windows.cutoffs + horizon, horizon) * deviation + mean


def _last_of_each(numbers: numpy.ndarray) -> numpy.ndarray:
    """The last forecast of each series."""
    return numpy.flatnonzero(numpy.append(numbers[1:] != numbers[:-1], True)) if len(numbers) else numbers


def _remarks(plan: Planned, context: Context) -> list[str]:
    """What a person should know, a line each."""
    series = plan.series
    remarks = [series.skipped.describe(), *series.value_remarks]
    trained = context.preparation.horizon
    if plan.horizon > trained:
        remarks.append(
            f"trained for {trained:,} steps: later ones go on from the forecast itself, and their bands are "
            "rough"
        )
    if plan.is_backtest:
        remarks.append(describe_shortage(plan.windows, context.decoding.n_windows))
    return [remark for remark in remarks if remark]
