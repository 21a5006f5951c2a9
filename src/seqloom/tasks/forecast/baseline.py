"""The trivial predictors: persistence, seasonal naive, and a ridge regression on lags; the best one counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy

from seqloom.baselines.budget import Budget
from seqloom.data.series.dataset import SeriesData, fill_gaps
from seqloom.data.series.table import SeriesTable
from seqloom.data.series.windows import Windows
from seqloom.models.forecasting.lag_mix import lag_offsets
from seqloom.tasks.base import Baseline, Rows
from seqloom.tasks.forecast.predicting import QUANTILE_LEVELS, Predicted
from seqloom.tasks.forecast.preparation import Preparation
from seqloom.tasks.forecast.reference import measure_reference
from seqloom.tasks.forecast.scores import count_errors, forecast_scores

CHUNK = 2048
"""Forecasts at a time"""


def best_baseline(
    preparation: Preparation, table: SeriesTable, split: str, budget: Budget
) -> Baseline | None:
    """The best of the trivial predictors by MASE, or by the absolute error; details have the others' scores."""
    series = preparation.arrange(table)
    windows = preparation.windows(series, split)
    reference = measure_reference(series, windows, preparation.season)
    h, season = preparation.horizon, preparation.season

    def rows_of(forecast: Callable[[Windows], numpy.ndarray]) -> Rows:
        parts = []
        for start in range(0, len(windows.numbers), CHUNK):
            some = windows[start : start + CHUNK]
            y = series.windows(some.numbers, some.cutoffs + h, h)
            y[some.cutoffs[:, None] + numpy.arange(h) >= some.stops[:, None]] = numpy.nan
            center = forecast(some)
            quantiles = numpy.repeat(center[..., None], len(QUANTILE_LEVELS), -1)
            predicted = Predicted(center, QUANTILE_LEVELS, quantiles, has_bands=False)
            counts = count_errors(y, predicted, reference.take(numpy.arange(start, start + len(y))), ())
            units = (~numpy.isnan(y)).sum(1)
            parts.append(Rows(numpy.full(len(y), numpy.nan), units, counts))
        return Rows.join(parts).nonempty()

    rows = {"persistence": rows_of(lambda some: repeat_lag(series, some, 1, h))}
    if season > 1:
        rows["seasonal naive"] = rows_of(lambda some: repeat_lag(series, some, season, h))
    scores = {name: forecast_scores(part) for name, part in rows.items()}
    best = min(scores, key=lambda name: scores[name].get("mase", scores[name]["mae"]))
    return Baseline(best, rows[best], details={"other baselines": _shown(scores)})


def _shown(scores: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    return {name: dict(values) for name, values in scores.items()}


def repeat_lag(series: SeriesData, windows: Windows, lag: int, horizon: int) -> numpy.ndarray:
    """The values one lag before each step (B, h), again and again; persistence with lag 1."""
    length = min(lag, int(windows.cutoffs.max()))
    y = fill_gaps(series.windows(windows.numbers, windows.cutoffs, length), series.layout.fill)
    offsets = lag_offsets([lag], horizon)[:, 0].numpy()
    positions = numpy.maximum(windows.cutoffs - 1, 0)[:, None] + offsets
    positions = numpy.where(positions < 0, windows.cutoffs[:, None] - 1, positions)
    places = positions - windows.cutoffs[:, None] + length
    return numpy.take_along_axis(y, places, 1)
