"""The `data.*` keys of series: what is forecast, how far steps are apart, how gaps are filled."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from seqloom.settings import PositiveInt, StrictConfig

MAX_STEPS = 1 << 20
Steps: TypeAlias = Annotated[int, Field(ge=1, le=MAX_STEPS)]
"""Of a horizon or a season: a model computes as many numbers at each step"""
Fill = Literal["forward", "interpolate", "zero"]


class SeriesConfig(StrictConfig):
    """The `data.*` keys of a task that reads series."""

    horizon: Steps | None = None
    """Steps to forecast. null: the length of a test or validation file, if all series have the same; else
    what the M4 competition asked for at this frequency: hourly 48, daily 14, weekly 13, monthly 18, quarterly
    8, yearly 6; else two seasons, or 12 steps."""
    frequency: str | None = None
    """How far steps are apart, as pandas spells it, old or new: `h` or `H`, `15min`, `D`, `B`, `W`, `MS`,
    `Q`, `Y`. null: by the dates. Where `ds` are integers it tells the season and the horizon."""
    season: Steps | None = None
    """Steps after which the pattern repeats. null: by the frequency, hourly 24, daily 7, monthly 12 and so
    on; 1, which is none, where `ds` are integers."""
    target: str | None = None
    """The column to forecast in a table that has one row a date; its other columns are exogenous. null: each
    column of numbers is a series of its own."""
    exogenous: list[str] | None = None
    """Further columns that are read beside the target. null: all that hold numbers; `[]`: none."""
    known_future: list[str] = Field(default_factory=list)
    """Those of the further columns that are known beforehand, such as a price or an opening hour; any other
    is known up to the cutoff only."""
    categorical: list[str] = Field(default_factory=list)
    """Columns of words that are read beside the target: an input for each word that training has. Another
    word is none of them, nor is an empty cell. They are known up to the cutoff, or beforehand if
    `known_future` names them."""
    holidays: str | None = None
    """A country, such as `US`, whose public holidays are a known-future input; needs the extra `forecast`."""
    calendar: bool = True
    """Whether the hour of the day, the day of the week and so on are known-future inputs, by frequency."""
    fill: Fill = "forward"
    """What a model reads where a value is missing: the one before (`forward`), a line to the next one
    before the first cutoff of a window (`interpolate`), or 0 (`zero`). No loss and no metric counts such a
    step."""
    standardize: bool = False
    """Whether each series is forecast, and measured, in standard deviations from its mean in training."""
    max_steps: PositiveInt | None = None
    """Steps of each series that are used, from the first one on. null: all."""
    validation_steps: PositiveInt | None = None
    """Last steps of training that are held out for validation where no file is. null: a tenth of the median
    length in whole horizons, at least one horizon."""
    test_steps: Annotated[int, Field(ge=0)] | None = None
    """Last steps that are held out as test where no file is; 0: none. null: as `validation_steps`."""
