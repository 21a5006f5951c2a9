"""Forecast series: the past of each in, its next steps out, with bands. Many-to-many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy
import torch

from seqloom.baselines.budget import UNLIMITED, Budget
from seqloom.data.series.dataset import SeriesData
from seqloom.data.series.table import SeriesTable
from seqloom.models.dropout import Dropouts
from seqloom.models.forecasting.ensemble import ForecastEnsemble
from seqloom.models.forecasting.forecaster import Forecaster
from seqloom.models.forecasting.loss_weights import SeriesSizes, loss_weights
from seqloom.models.forecasting.outputs import OutputLayer
from seqloom.tasks.base import (
    Baseline,
    Context,
    Loss,
    Metric,
    Output,
    Rows,
    Task,
    loss_score,
)
from seqloom.tasks.forecast.answers import answer_items, pass_over
from seqloom.tasks.forecast.baseline import best_baseline
from seqloom.tasks.forecast.batches import ForecastBatch, require_counts
from seqloom.tasks.forecast.calibration import calibrate
from seqloom.tasks.forecast.config import DataConfig, DecodingConfig, LossConfig, ModelConfig
from seqloom.tasks.forecast.predicting import predict_batch, teacher_forced_nats
from seqloom.tasks.forecast.preparation import Preparation
from seqloom.tasks.forecast.reference import Reference
from seqloom.tasks.forecast.scores import count_forecasts, forecast_scores
from seqloom.tasks.forecast.sources import backtest_stages
from seqloom.tasks.forecast.tables import forecast_table
from seqloom.tasks.forecast.toy_data import write_toy_data_files
from seqloom.tasks.forecasting import BacktestStage, ForecastRequest
from seqloom.tasks.forecasting import Forecast as Answer
from seqloom.tasks.tracing import ForwardPass, refuse_target

MAX_LINEAR_STEPS = 336


@final
class Forecast(Task):
    """Series in, their next steps out."""

    name = "forecast"
    shape = "many-to-many"
    data_description = "series over time: columns unique_id, ds, y, or a column of dates beside numbers"
    reads = SeriesTable
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    LossConfig = LossConfig
    DecodingConfig = DecodingConfig
    training_defaults = {  # noqa: RUF012
        "batch_size": 32,
        "learning_rate": 5e-3,
        "averaging": 0.99,
        "max_steps": 1500,
        "precision": "float32",
    }

    def accepts(self, data: Any) -> str | None:
        """Series."""
        return "series over time" if isinstance(data, SeriesTable) else None

    def pipeline_tag(self, preparation: Preparation) -> str:
        """Time series forecasting."""
        return "time-series-forecasting"

    def prepare(self, data: SeriesTable, config: DataConfig) -> Preparation:
        """Find the season, the horizon and the scales of covariates."""
        return Preparation.fit(data, config)

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read them from a run folder."""
        return Preparation.load(folder, config)

    def divide(self, preparation: Preparation, data: SeriesTable) -> SeriesData:
        """The series on their grid, divided by time."""
        return preparation.arrange(data)

    def evaluated(self, preparation: Preparation, decoding: DecodingConfig) -> Preparation:
        """With the forecasts that `decoding.n_windows` and `decoding.step_size` ask for."""
        return preparation.with_backtest(decoding)

    def build(self, preparation: Preparation, config: ModelConfig) -> ForecastEnsemble:
        """One forecaster, or several side by side."""
        if config.output == "negative_binomial":
            preparation.require_counts()
        horizon = preparation.horizon if config.steps == "direct" else 1
        output = OutputLayer(config.output, tuple(config.quantiles))
        recurrent = config.recurrent_config(Dropouts.of_units(config.dropout))
        sizes = preparation.columns.sizes

        linear_steps = config.linear_steps
        if linear_steps is None:
            linear_steps = min(preparation.shape.context, MAX_LINEAR_STEPS)

        def build() -> Forecaster:
            return Forecaster(horizon, preparation.lags, output, recurrent, sizes, linear_steps)

        return ForecastEnsemble(build, config.ensemble_size)

    def loss(self, model: Any, batch: ForecastBatch, state: Any, context: Context) -> Loss:
        """Nats of what came after each fork, averaged over the ensemble; gaps count for nothing."""
        del state
        shape = context.preparation.shape
        forks = batch.targets.shape[1]
        if model.output.kind == "negative_binomial":
            require_counts(batch.in_series_units(batch.targets).cpu().numpy())
        parameters = model(batch.history, shape.context, forks, shape.stride)
        targets = batch.targets[..., : parameters.shape[-2]]
        mask = ~targets.isnan()
        scale = batch.scale.to(targets).view(-1, 1, 1)
        nats = model.output.loss(parameters.float(), targets.nan_to_num(), scale)
        if context.loss.unit != "window":
            sizes = SeriesSizes(*batch.sizes.unbind(1))
            forecasts = batch.in_series_units(model.output.center(parameters.detach()))
            weights = loss_weights(context.loss.unit, model.output.kind, batch.scale, sizes, forecasts)
            nats = nats * weights.to(nats)
        nats = nats.mean(0)
        return Loss((nats * mask).sum((1, 2)), mask.sum((1, 2)))

    def evaluate_batch(self, model: Any, batch: ForecastBatch, state: Any, context: Context) -> Loss:
        """Nats of what came, and the errors of the forecast."""
        del state
        preparation, decoding = context.preparation, context.decoding
        batch = batch._replace(targets=batch.targets[:, -1:])
        nats, y = teacher_forced_nats(model, batch, preparation.shape.context), batch.values()
        predicted = predict_batch(
            model,
            batch,
            preparation.shape.context,
            y.shape[1],
            context.model,
            decoding,
            preparation.calibration,
        )
        # A batch of training has no reference.
        reference = batch.reference or Reference(numpy.full(len(y), numpy.nan), None)
        counts = count_forecasts(y, predicted, reference, decoding.level)
        units = (~batch.targets[:, 0].isnan()).sum(1)
        return Loss(
            nats.sum(1), units, counts={name: torch.from_numpy(value) for name, value in counts.items()}
        )

    def calibrate(
        self, model: ForecastEnsemble, preparation: Preparation, data: SeriesData, context: Context
    ) -> Preparation:
        """With bands as wide as the validation split asks for."""
        return calibrate(model, preparation, data, context)

    def forecast(
        self, model: ForecastEnsemble, data: SeriesTable, request: ForecastRequest, context: Context
    ) -> Answer:
        """The steps after the last observed one of every series."""
        return forecast_table(model, data, request, context)

    def predict(
        self, model: ForecastEnsemble, items: Sequence[numpy.ndarray], context: Context
    ) -> list[Output]:
        """The next steps of series that are lists of numbers."""
        return answer_items(model, items, context)

    def forward_pass(
        self, model: Any, value: Any, item: numpy.ndarray, context: Context, target: str | None = None
    ) -> ForwardPass:
        """The model reads the last steps of a series, as many as in training."""
        del value
        refuse_target(self.name, target)
        return pass_over(model, item, context)

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats, and errors by the names that M4, GluonTS and neuralforecast give them."""
        return {**loss_score(rows, unit), **forecast_scores(rows)}

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """MASE; the mean absolute error where it is undefined."""
        names = [name for name in ("mase", "mae") if name in scores]
        return Metric(names[0] if names else next(iter(scores)), higher_is_better=False)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """How many forecasts have no MASE."""
        undefined = int(rows.counts["undefined"].sum()) if "undefined" in rows.counts else 0
        if not undefined:
            return {}
        return {
            "MASE undefined": f"{undefined:,} of {len(rows.nats):,} forecasts: their history repeats itself"
        }

    def baseline(
        self, preparation: Preparation, data: SeriesData, split: str, budget: Budget = UNLIMITED
    ) -> Baseline | None:
        """The best of persistence, seasonal naive and a ridge regression on lags."""
        del budget  # all of them take a few seconds at most
        return best_baseline(preparation, data, split)

    def stages(
        self, preparation: Preparation, data: SeriesData, split: str, every: int
    ) -> list[BacktestStage]:
        """The windows of a backtest, so many of each series at a time."""
        series = preparation.arrange(data)
        windows = preparation.windows(series, split)
        return backtest_stages(series, windows, split, preparation.horizon, every)

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Sales of shops."""
        return write_toy_data_files(folder, seed)
