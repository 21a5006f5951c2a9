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
    table = predictor.config.read(training_data(predictor.folder) if data is None else data, strict, reading)
    log(f"data: {table.path} ({table.describe()})")
    return task.forecast(predictor.model, table, request, context)


def training_data(folder: Path) -> Path:
    """Where the data lies that a model was trained on.

    Raises:
        RunError: the run folder does not say it, or it is not there any more.
    """
    from seqloom.training import checkpoint

    expected, got = "expected DATA, the series to go on with", "none"
    if (folder / checkpoint.FILE).exists():
        path = checkpoint.data_path(folder)
        if path.exists():
            return path
        got = f"none, and nothing is at {path} any more"
    raise RunError(folder, expected, got=got)
