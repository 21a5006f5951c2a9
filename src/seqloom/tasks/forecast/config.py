"""The settings of `forecast`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seqloom.data.series.options import SeriesConfig
from seqloom.models.forecasting.loss_weights import LossUnit
from seqloom.models.forecasting.outputs import OutputKind
from seqloom.settings import LayerCount, PositiveInt, StrictConfig
from seqloom.tasks.forecast.scaling import Scaling
from seqloom.tasks.model_config import RecurrentModelConfig

QUANTILES = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
Level = Annotated[float, Field(gt=0, lt=100)]


class DataConfig(SeriesConfig):
    """The `data.*` keys."""

    context: PositiveInt | None = None
    """Steps that are read before the first forecast. null: the longest lag, at least two horizons."""
    lags: list[PositiveInt] | None = None
    """How many steps back the values lie that are read beside each value, and mixed into its forecast; the
    first is what a new model forecasts. null: one to four seasons, and for hours a week; 1, which is the
    last value, is always among them."""
    forks: PositiveInt = 24
    """How many steps of a window forecast in training, of one pass (forking sequences)."""
    fork_stride: PositiveInt | None = None
    """Steps from one of them to the next. null: a twelfth of the horizon."""
    scaling: Scaling = "standard"
    """How a window is scaled: `standard` (mean and deviation), `last` (last value and deviation), `mean` (the
    mean of absolute values, without a shift: for counts), `none`."""


class ModelConfig(RecurrentModelConfig):
    """The `model.*` keys."""

    cell_type: str = "gru"
    hidden_size: PositiveInt = 64
    output: OutputKind = "quantile"
    """What a forecast of a step is: `mae` or `mse`, a number; `quantile`; `student_t`; `negative_binomial`,
    for counts."""
    quantiles: list[Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=lambda: list(QUANTILES))
    """Of the output `quantile`."""
    steps: Literal["direct", "autoregressive"] = "direct"
    """`direct`: all steps of the horizon at once; `autoregressive`: one step after the other, from its own
    draws (DeepAR)."""
    linear_steps: Annotated[int, Field(ge=0)] | None = None
    """Last steps, whose differences from the last value a linear layer adds to the forecast; 0: none. null:
    those of `data.context`, 336 at most."""
    ensemble_size: LayerCount = 1
    """Models with other initial weights, trained side by side; their forecasts are averaged."""


class LossConfig(StrictConfig):
    """The `loss.*` keys."""

    unit: LossUnit = "window"
    """What errors are measured in: `window`, the scale of each window; `series`, the deviation of each series
    in training, so that steep windows weigh more; `seasonal`, its seasonal naive error, as MASE does; `owa`,
    half of it that error and half the size of the forecast, as OWA adds MASE and sMAPE."""


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys: how a forecast is made, and which ones `evaluate` makes."""

    level: list[Level] = Field(default_factory=lambda: [80, 90])
    """Percent that a band should hold."""
    num_samples: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Paths that an autoregressive model draws."""
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    """Of the draws."""
    calibrated: bool = True
    """Whether bands are as wide as the validation split asks for (conformal calibration)."""
    n_windows: PositiveInt | None = None
    """Forecasts of each series that `evaluate` makes, the last one at the end of the split. null: all that
    there are."""
    step_size: PositiveInt | None = None
    """Steps between their cutoffs. null: the horizon."""
