"""What a forecaster knows of its series: the horizon, the season, lags, scales, how wide bands are."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self, TypeAlias, final

import numpy
from pydantic import Field, model_validator

from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.series.arranging import Learnt, arrange_series
from seqloom.data.series.dataset import SeriesData
from seqloom.data.series.frequency import Frequency, Place, Unit
from seqloom.data.series.options import Steps
from seqloom.data.series.table import SeriesTable
from seqloom.data.series.windows import Windows, rolling_windows
from seqloom.errors import ConfigError, DataError
from seqloom.models.forecasting.forecaster import CovariateSizes
from seqloom.stored import Name, StoredValue, mistake, read_stored
from seqloom.tasks.forecast.batches import (
    CovariateScales,
    ForecastBatch,
    WindowShape,
    cut_windows,
    require_counts,
)
from seqloom.tasks.forecast.config import DataConfig, DecodingConfig, Level
from seqloom.tasks.forecast.predicting import UNCALIBRATED, Calibration
from seqloom.tasks.forecast.reference import Reference, measure_reference, measure_sizes
from seqloom.tasks.forecast.sources import TrainingWindows

Float: TypeAlias = Annotated[float, Field(ge=-1e300, le=1e300)]
Pair: TypeAlias = tuple[list[Float], list[Float]]
SERIES = "series.json"
NUM_SEASONS, WEEK_HOURS = 4, 168
KINDS = {"future": "known-future"}
"""Kinds of columns whose word is not their name"""
COUNTED_SERIES = 1000
"""That are looked at before training, where counts are needed"""
SCALED_ROWS = 2_000_000
"""Steps from which the scales of covariates are computed"""


class Columns(NamedTuple):
    """What a model reads beside the values, by name."""

    historic: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    words: tuple[tuple[str, str], ...] = ()
    """Of columns of words, each with its column: what training has"""

    @property
    def sizes(self) -> CovariateSizes:
        """How many there are of each kind."""
        return CovariateSizes(len(self.historic), len(self.future) + len(self.calendar), len(self.static))


class _StoredColumns(StoredValue):
    """`Columns`."""

    historic: list[Name]
    future: list[Name]
    static: list[Name]
    calendar: list[Name]
    words: list[tuple[Name, str]] = Field(default_factory=list)


class _StoredScales(StoredValue):
    """`CovariateScales`: means and deviations."""

    exogenous: Pair
    static: Pair

    def parts(self) -> tuple[Pair, Pair]:
        """Both, in the order of their names."""
        return self.exogenous, self.static


class _StoredSeries(StoredValue):
    """What `Preparation.files` writes."""

    horizon: Steps
    season: Steps
    frequency: tuple[Unit, Annotated[int, Field(ge=1, le=1 << 40)], Place] | None = None
    columns: _StoredColumns
    scales: _StoredScales
    calibration: tuple[list[Level], list[list[Float]]]

    @model_validator(mode="after")
    def _check(self) -> Self:
        columns, (levels, steps) = self.columns, self.calibration
        widths = (len(columns.historic) + len(columns.future), len(columns.static))
        for width, (mean, deviation) in zip(widths, self.scales.parts(), strict=True):
            if {len(mean), len(deviation)} != {width}:
                raise mistake(f"scales of {len(mean)} columns, of which there are {width}")
            if not all(value > 0 for value in deviation):
                raise mistake("a deviation that is not above 0")
        if len(steps) != len(levels) or sorted(set(levels)) != levels:
            raise mistake("moves that are not of rising levels")
        if steps and (len({*map(len, steps)}) > 1 or len(steps[0]) not in (1, self.horizon)):
            raise mistake("moves that are not of the steps of the horizon")
        return self


@final
class Preparation:
    """How series become windows, and forecasts values.

    Args:
        config: the `data.*` keys, with the horizon and the season that were chosen.
        columns: what is read beside the values.
        scales: mean and deviation of these columns.
        calibration: of the bands.
        frequency: of steps; None: not known, as runs of earlier versions do not say it.
    """

    unit = "step"
    column = "y"

    def __init__(
        self,
        config: DataConfig,
        columns: Columns,
        scales: CovariateScales,
        calibration: Calibration = UNCALIBRATED,
        frequency: Frequency | None = None,
    ) -> None:
        self.config, self.columns, self.scales, self.frequency = config, columns, scales, frequency
        self.calibration, self.backtest = calibration, DecodingConfig()
        self._arranged: tuple[SeriesTable, SeriesData] | None = None
        self._sizes: tuple[SeriesData, numpy.ndarray] | None = None

    @classmethod
    def fit(cls, table: SeriesTable, config: DataConfig) -> Preparation:
        """Choose what the configuration leaves open, and measure the covariates in training."""
        data = arrange_series(table, config)
        layout = data.layout
        config = config.model_copy(update={"horizon": layout.horizon, "season": layout.season})
        columns = Columns(
            layout.historic, layout.future, layout.static, calendar_names(data), tuple(layout.words)
        )
        preparation = cls(config, columns, _measure_scales(data), frequency=layout.frequency)
        preparation._arranged = (table, data)
        return preparation

    @classmethod
    def load(cls, folder: Path, config: DataConfig) -> Preparation:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: the file is missing or damaged.
        """
        stored = read_stored(folder / SERIES, _StoredSeries, "expected the series of a forecaster")
        columns = Columns(**{kind: tuple(names) for kind, names in stored.columns.model_dump().items()})
        scales = CovariateScales(*(numpy.array(part).reshape(2, -1) for part in stored.scales.parts()))
        levels, steps = stored.calibration
        calibration = Calibration(tuple(levels), tuple(map(tuple, steps)))
        chosen = {"horizon": stored.horizon, "season": stored.season}
        frequency = None if stored.frequency is None else Frequency(*stored.frequency)
        return cls(config.model_copy(update=chosen), columns, scales, calibration, frequency=frequency)

    def files(self) -> dict[str, str]:
        """`series.json`."""
        content = {
            "horizon": self.horizon,
            "season": self.season,
            "frequency": self.frequency,
            "columns": self.columns._asdict(),
            "scales": {name: values.tolist() for name, values in self.scales._asdict().items()},
            "calibration": self.calibration,
        }
        return {SERIES: json.dumps(content)}

    @property
    def horizon(self) -> int:
        """h, steps that are forecast."""
        assert self.config.horizon is not None
        return self.config.horizon

    @property
    def season(self) -> int:
        """Steps after which the pattern repeats; 1: it does not."""
        assert self.config.season is not None
        return self.config.season

    @property
    def lags(self) -> tuple[int, ...]:
        """How many steps back the values lie that a forecast is mixed of; the first is where it starts."""
        if self.config.lags is not None:
            return tuple(self.config.lags)
        if self.season == 1:
            return (1,)
        week = (WEEK_HOURS,) if self.season == 24 else ()
        seasons = [number * self.season for number in range(1, NUM_SEASONS + 1)]
        return tuple(dict.fromkeys([*seasons, *week, 1]))

    @property
    def shape(self) -> WindowShape:
        """How training series are cut into windows."""
        config, reach = self.config, max(self.lags)
        context = config.context or max(reach, 2 * self.horizon)
        stride = config.fork_stride or max(self.horizon // 12, 1)
        return WindowShape(self.horizon, context, reach, config.forks, stride, config.scaling)

    def with_backtest(self, backtest: DecodingConfig) -> Preparation:
        """This preparation, whose sources make the forecasts that `decoding.*` asks for."""
        other = copy.copy(self)
        other.backtest = backtest
        return other

    def with_calibration(self, calibration: Calibration) -> Preparation:
        """This preparation with calibrated bands."""
        other = copy.copy(self)
        other.calibration = calibration
        return other

    def describe(self) -> str:
        """For example `horizon 48, season 24`."""
        kinds = {kind: names for kind, names in self.columns._asdict().items() if kind != "words"}
        extra = [
            f"{len(names)} {KINDS.get(kind, kind)} column{'s' if len(names) > 1 else ''}"
            for kind, names in kinds.items()
            if names
        ]
        return ", ".join([f"horizon {self.horizon}", f"season {self.season}", *extra])

    def require_counts(self) -> None:
        """Check that what is learnt is counts, and stays so where it is scaled: before a run folder is made.

        Of many series the first are looked at here, and the others as they are learnt.

        Raises:
            ConfigError: scaled values do not begin at 0.
            DataError: a value is negative or a fraction.
        """
        if self.config.scaling not in ("mean", "none"):
            expected = "must be mean or none with model.output=negative_binomial, whose counts begin at 0"
            raise ConfigError("data.scaling", expected, got=self.config.scaling)
        if self._arranged is not None:
            for _, series in zip(range(COUNTED_SERIES), self._arranged[1], strict=False):
                require_counts(series.y)

    def arrange(self, table: SeriesTable | SeriesData) -> SeriesData:
        """The series of a table; those of the last table are remembered.

        Raises:
            DataError: they have not the columns that the model reads.
        """
        if isinstance(table, SeriesData):
            return table
        if self._arranged is None or self._arranged[0] is not table:
            self._arranged = (table, self._arrange(table))
        return self._arranged[1]

    def arrange_all(self, table: SeriesTable) -> SeriesData:
        """The series of a table with nothing held out, so that none is too short.

        Raises:
            DataError: they have not the columns that the model reads.
        """
        return self._arrange(table, is_divided=False)

    def _arrange(self, table: SeriesTable, is_divided: bool = True) -> SeriesData:
        learnt = Learnt(self.frequency, self.columns.words, self.columns.static)
        data = arrange_series(table, self.config, is_divided=is_divided, learnt=learnt)
        layout = data.layout
        got = Columns(layout.historic, layout.future, layout.static, calendar_names(data), layout.words)
        for kind, names in self.columns._asdict().items():
            if kind != "words" and names != getattr(got, kind):
                expected = f"expected the {kind} columns that the model reads: {', '.join(names) or 'none'}"
                raise DataError(table.path, expected, got=", ".join(getattr(got, kind)) or "none")
        return data

    def sizes(self, series: SeriesData) -> numpy.ndarray:
        """Deviation, seasonal naive error and mean size of every series in training (S, 3); measured once."""
        if self._sizes is None or self._sizes[0] is not series:
            stops = series.split("train").stops
            self._sizes = (series, measure_sizes(series, stops, self.season))
        return self._sizes[1]

    def source(self, data: SeriesTable | SeriesData, split: str, batching: Batching) -> Source:
        """Forking windows of the training split, or the forecasts of a backtest."""
        series = self.arrange(data)
        part, sizes = series.split(split), self.sizes(series)
        if batching.training:
            cut = lambda windows: self.cut(series, windows, self.shape, sizes)  # noqa: E731
            return TrainingWindows(part, self.shape, cut, batching, series.digest, series.skipped)
        windows, references = self.windows(series, split), list[Reference]()

        def cut_measured(rows: numpy.ndarray) -> ForecastBatch:
            if not references:  # what it takes to measure them is spent once, not at each validation
                references.append(measure_reference(series, windows, self.season, self.horizon))
            batch = self.cut(series, windows[rows], self.shape._replace(forks=1), sizes)
            return batch._replace(reference=references[0].take(rows))

        lengths = numpy.minimum(windows.cutoffs, self.shape.context)
        collate = lambda rows: cut_measured(numpy.array(rows))  # noqa: E731
        return Buckets(range(len(lengths)), lengths, collate, batching, series.skipped, series.digest)

    def windows(self, series: SeriesData, split: str) -> Windows:
        """The forecasts of a backtest of a split."""
        backtest = self.backtest
        step_size = backtest.step_size or self.horizon
        return rolling_windows(
            series.split(split), self.horizon, n_windows=backtest.n_windows, step_size=step_size
        )

    def cut(
        self, series: SeriesData, windows: Windows, shape: WindowShape, sizes: numpy.ndarray
    ) -> ForecastBatch:
        """A batch of windows."""
        return cut_windows(series, windows, shape, self.scales, sizes)

    def encode(self, value: Any) -> numpy.ndarray:
        """A series as a list of numbers (None or NaN where nothing was observed), or as a text of them.

        It has no dates: columns of the calendar get their middle.

        Raises:
            DataError: it is no series of numbers, or holds none; or the model reads more than values.
        """
        hint = "For a table: seqloom forecast RUN DATA"
        further = self.columns.historic + self.columns.future + self.columns.static
        if further:
            names = ", ".join(further)
            raise DataError("forecast", "this model reads more than values", got=names, hint=hint)
        if isinstance(value, str):
            value = value.replace(",", " ").split()
        try:
            y = numpy.array([numpy.nan if v is None else float(v) for v in value], numpy.float64)
        except (TypeError, ValueError):
            raise DataError("forecast", "a series must be numbers", got=f"{value!r:.60}", hint=hint) from None
        if numpy.isinf(y).any() or not (~numpy.isnan(y)).any():
            raise DataError("forecast", "a series must hold finite numbers", got=f"{value!r:.60}")
        seen = numpy.flatnonzero(~numpy.isnan(y))
        return y[seen[0] : seen[-1] + 1]


def calendar_names(data: SeriesData) -> tuple[str, ...]:
    """The columns that are computed of dates."""
    holidays = (f"holidays of {data.layout.holidays}",) if data.layout.holidays else ()
    return (*data.layout.calendar, *holidays)


def _measure_scales(data: SeriesData) -> CovariateScales:
    """Mean and deviation of each further column in the training split; 0 and 1 where it never changes."""
    train, width = data.split("train"), len(data.layout.exogenous)
    sums, counts, steps = numpy.zeros((2, width)), numpy.zeros(width), 0
    for number in train.numbers if width else ():
        stop = int(train.stops[number])
        part = data.exogenous_windows(numpy.array([number]), numpy.array([stop]), stop)[0]
        sums += (numpy.nansum(part, 0), numpy.nansum(part**2, 0))
        counts += (~numpy.isnan(part)).sum(0)
        steps += stop
        if steps > SCALED_ROWS:
            break
    mean, square = sums / counts.clip(min=1)
    static = data.arrays.static
    static_sums = numpy.nansum(static, 0), numpy.nansum(static**2, 0)
    known = (~numpy.isnan(static)).sum(0).clip(min=1)
    return CovariateScales(
        _mean_and_deviation(mean, square),
        _mean_and_deviation(static_sums[0] / known, static_sums[1] / known),
    )


def _mean_and_deviation(mean: numpy.ndarray, square: numpy.ndarray) -> numpy.ndarray:
    deviation = numpy.sqrt(numpy.maximum(square - mean**2, 0.0))
    return numpy.stack([mean, numpy.where(deviation > 1e-6 * numpy.abs(mean), deviation, 1.0)])
