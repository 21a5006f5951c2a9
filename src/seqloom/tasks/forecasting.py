"""The capability of a task to forecast series: what is asked for, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy

from seqloom.tasks.base import Context, Data


class ForecastRequest(NamedTuple):
    """What is to be forecast."""

    horizon: int | None = None
    """Steps; None: as many as the model was trained for"""
    split: str | None = None
    """Go back: the forecasts of a backtest of this split, beside what came; None: on from the last step"""
    num_pictured: int = 0
    """Series whose history and forecast are wanted for a picture"""


class PicturedSeries(NamedTuple):
    """A series and its forecast, for a picture."""

    unique_id: str
    ds: Sequence[str]
    """Of all steps"""
    history: numpy.ndarray
    """(T,) up to the last observed step; NaN where nothing was observed"""
    columns: Mapping[str, numpy.ndarray]
    """Of the forecast, each (h,), by the names of `Forecast.columns`"""
    actual: numpy.ndarray
    """(h,) what came; NaN where that is not known"""


class Forecast(NamedTuple):
    """Forecasts of series: rows by series, then by time."""

    unique_id: Sequence[str]
    ds: Sequence[str]
    columns: Mapping[str, numpy.ndarray]
    """`mean`, then for each band its ends: `lo-80`, `hi-80`; of a backtest first `y`, what came"""
    cutoff: Sequence[str] = ()
    """Of a backtest: the last step that each forecast knew"""
    remarks: Sequence[str] = ()
    """What a person should know of them, a line each"""
    pictured: Sequence[PicturedSeries] = ()


@runtime_checkable
class Forecasting(Protocol):
    """The capability of a task whose model goes on with series."""

    def forecast(self, model: Any, data: Any, request: ForecastRequest, context: Context) -> Forecast:
        """The steps after the last observed one of every series.

        Raises:
            DataError: a series cannot be forecast, such as one without its known-future columns.
        """
        ...


class BacktestStage(NamedTuple):
    """Some windows of a backtest, and what is known before the first of them."""

    data: Data
    """`train` is all of each series before its first window; the split that is measured has the windows"""
    rows: numpy.ndarray
    """(N,) int64: the numbers of the windows among those of the whole split, in the order of its source"""


@runtime_checkable
class Backtesting(Protocol):
    """The capability of a task whose reports make forecasts from cutoffs that follow one another."""

    def stages(self, preparation: Any, data: Any, split: str, every: int) -> list[BacktestStage]:
        """The windows of a split, so many of each series at a time, the earliest first.

        Raises:
            ConfigError: there is nothing before the windows of this split to learn from.
        """
        ...
