"""A trained model goes on with series: those of a file, or those that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqloom.errors import ConfigError, RunError
from seqloom.tasks.forecasting import Forecast, Forecasting, ForecastRequest

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor


def forecast_data(
    predictor: Predictor,
    data: Path | str | None,
    request: ForecastRequest,
    reading: Mapping[str, Any] | None,
    strict: bool,
    log: Callable[[str], object],
    decoding: Mapping[str, Any],
) -> Forecast:
    """What `Predictor.forecast` does, which explains the arguments and the errors."""
    task: object = predictor.config.task
    if not isinstance(task, Forecasting):
        got = f"the task {predictor.config.task.name}"
        raise RunError(predictor.folder, "expected a model that forecasts series", got=got)
    if request.horizon is not None and request.horizon < 1:
        raise ConfigError("forecast", "the horizon must be an int >= 1", got=request.horizon)
    context = predictor.context(**decoding)
    if data is None:
        from seqloom.training import checkpoint

        data = checkpoint.find_data(predictor.folder, "the series to go on with")
    table = predictor.config.read(data, strict, reading)
    log(f"data: {table.path} ({table.describe()})")
    return task.forecast(predictor.model, table, request, context)
