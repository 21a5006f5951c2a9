"""From rows to series: the target, the regular grid, what is held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap
from typing import NamedTuple

import numpy

from seqloom.data.options import setting
from seqloom.data.series.calendar import calendar_columns
from seqloom.data.series.categories import Stored, Word, describe_unknown, find_words, number_words
from seqloom.data.series.dataset import Arrays, Layout, SeriesData, Split
from seqloom.data.series.frequency import Frequency, infer_frequency
from seqloom.data.series.grid import Plan, SeriesFacts
from seqloom.data.series.gridded import GriddedSeries, grid_series
from seqloom.data.series.holdout import divide
from seqloom.data.series.options import SeriesConfig
from seqloom.data.series.table import SeriesTable
from seqloom.data.tables.skipped import SkippedRows
from seqloom.errors import DataError, nearest

FILLED = {"forward": "the value before", "interpolate": "a line between", "zero": "0"}


class Learnt(NamedTuple):
    """What a model knows of its series, whatever another table says.

    Fields:
        frequency: of steps; None: not known.
        words: that it reads, each after the name of its column of `data.categorical`.
        static: columns that have one value a series.
    """

    frequency: Frequency | None
    words: Sequence[tuple[str, str]] = ()
    static: Sequence[str] = ()


def arrange_series(
    table: SeriesTable,
    config: SeriesConfig,
    *,
    is_divided: bool = True,
    learnt: Learnt | None = None,
) -> SeriesData:
    """Set the rows of a table on a regular grid, and divide them by time.

    Args:
        table: as `data.read` returns it.
        config: the `data.*` keys of series.
        is_divided: whether steps are held out. Else every step is in `train`, and no series is too short.
        learnt: what a model knows of its series; None: what the table says.

    Raises:
        DataError: a column does not exist, no series can be used, or none is long enough to be tested.
        ConfigError: a frequency or a country that there is not.
    """
    plan = _plan(table, config, None if learnt is None else learnt.frequency)
    series = grid_series(table.frames, plan)
    facts = series.facts
    skipped = SkippedRows.join([table.skipped, series.messages])
    if not len(facts.lengths):
        raise _no_series(table, skipped)
    if table.strict and len(series.messages):
        raise _as_error(series.messages[0])
    usual = plan.frequency if config.frequency is None else Frequency.parse(config.frequency)
    parts = [part for part in table.splits if part != "future"]
    if is_divided:
        horizon, splits, remarks = divide(table.path, config, usual, facts.ends, parts)
    else:
        horizon, remarks = config.horizon or usual.horizon, []
        splits = {"train": Split(numpy.zeros_like(facts.lengths), facts.lengths)}
    stored = _stored(plan, table, series)
    known = (
        find_words(stored, facts, splits["train"], table.path)
        if learnt is None
        else list(starmap(Word, learnt.words))
    )
    historic, future = _further(plan, stored, known)
    value_remarks = [
        *_describe_left_out(plan, table, facts),
        *_describe_missing(plan, config, facts),
        *describe_unknown(stored, known),
    ]
    calendar, holidays = calendar_columns(plan.frequency, config.calendar), config.holidays
    static_table = table.static
    if static_table is not None and learnt is not None:
        static_table, unknown = static_table.with_columns(learnt.static)
        value_remarks += unknown
    static = () if static_table is None else static_table.columns
    layout = Layout(
        plan.frequency,
        plan.has_dates,
        config.season or usual.season,
        horizon,
        historic,
        future,
        static,
        config.fill,
        calendar if plan.has_dates else (),
        holidays,
        _categories(stored, known),
        tuple(known),
    )
    static_values = numpy.zeros((len(facts.lengths), 0))
    if static_table is not None:
        static_values, without = static_table.rows_of(facts.unique_ids)
        if without:
            value_remarks.append(f"{without:,} series without static columns: they get the means of training")
    remarks = [
        *table.remarks,
        *_describe(plan, layout, config),
        *value_remarks,
        *_describe_unread(table, plan),
        *remarks,
    ]
    arrays = Arrays(
        facts.unique_ids,
        facts.starts,
        facts.lengths,
        facts.rows,
        series.y,
        series.exogenous,
        static_values,
        numpy.tile([0.0, 1.0], (len(facts.lengths), 1)),
        series.key,
    )
    data = SeriesData(table.path, layout, arrays, splits, remarks, skipped, table.strict, value_remarks)
    return data.standardized() if config.standardize else data


def _plan(table: SeriesTable, config: SeriesConfig, learnt: Frequency | None) -> Plan:
    """Which columns are forecast, and which come with them, on which grid."""
    roles, numbers = table.roles, table.roles.numbers
    asked = {
        "data.target": [] if config.target is None else [config.target],
        "data.known_future": config.known_future,
        "data.exogenous": config.exogenous or [],
    }
    categorical = list(dict.fromkeys(config.categorical))
    for name in categorical:
        if name not in roles.categories:
            expected = f"expected a column of words {name}, as data.categorical says"
            known = (*roles.wordy, *roles.categories)
            got = ", ".join(known) or "none"
            raise DataError(table.path, expected, got=got, hint=nearest(name, known))
    for key, names in asked.items():
        for name in names:
            if name not in numbers and not (key == "data.known_future" and name in categorical):
                expected = f"expected a column of numbers {name}, as {key} says"
                raise DataError(table.path, expected, got=", ".join(numbers), hint=nearest(name, numbers))
    further = [*asked["data.exogenous"], *config.known_future]
    target = config.target or (roles.y if roles.y not in further else None)
    if target is None and roles.unique_id is not None:
        hint = f"Say which to forecast, as in {setting('data.target', numbers[0])}"
        raise DataError(table.path, "expected one column y to forecast", got=", ".join(numbers), hint=hint)
    targets = [name for name in numbers if name not in further] if target is None else [target]
    if target in further or not targets:
        raise DataError(table.path, "a column to forecast must not be exogenous too", got=target or "none")
    if config.exogenous is None and target is not None:
        further = [name for name in numbers if name != target]
    further = [*further, *categorical]
    historic = [name for name in dict.fromkeys(further) if name not in config.known_future]
    future = list(dict.fromkeys(config.known_future))
    columns = (*numbers, *roles.categories)
    return Plan(
        table.path,
        _frequency(table, config, learnt),
        roles.form.has_dates,
        tuple(map(numbers.index, targets)),
        tuple(map(columns.index, [*historic, *future])),
        len(future),
        columns,
        roles.unique_id is not None or len(table.frames.unique_ids) > 1,
        len(numbers),
        config.max_steps,
    )


def _frequency(table: SeriesTable, config: SeriesConfig, learnt: Frequency | None) -> Frequency:
    """A model's, if the table has dates as its training had, or neither; else as the table says."""
    is_of_dates = learnt is not None and learnt.unit != "step"
    return _infer(table, config) if learnt is None or is_of_dates != table.roles.form.has_dates else learnt


def _infer(table: SeriesTable, config: SeriesConfig) -> Frequency:
    """As it is set for dates, else by the first million rows."""
    if config.frequency is not None and table.roles.form.has_dates:
        return Frequency.parse(config.frequency)
    chunk = next(table.frames.chunks())
    totals = chunk.counts.sum(1)
    is_first = numpy.zeros(len(chunk.times), bool)
    is_first[(numpy.cumsum(totals) - totals)[totals > 0]] = True
    return infer_frequency(chunk.times, is_first, table.roles.form.has_dates)


def _stored(plan: Plan, table: SeriesTable, series: GriddedSeries) -> Stored:
    """The exogenous columns as they are stored."""
    first = len(plan.names) - len(table.frames.spellings)
    spellings = {
        plan.names[column]: table.frames.spellings[column - first]
        for column in plan.exogenous
        if column >= first
    }
    names = [plan.names[column] for column in plan.exogenous]
    return Stored(series.exogenous, int(series.facts.rows.sum()), names, spellings)


def _further(plan: Plan, stored: Stored, words: Sequence[Word]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of historic and of known-future columns; of words one for each."""
    split = len(stored.names) - plan.num_future
    parts: tuple[list[str], list[str]] = [], []
    for place, name in enumerate(stored.names):
        own = [word.name for word in words if word.column == name]
        parts[place >= split].extend(own if name in stored.spellings else [name])
    return tuple(parts[0]), tuple(parts[1])


def _categories(stored: Stored, words: Sequence[Word]) -> tuple[tuple[int, ...] | None, ...]:
    """Of each stored column the numbers of its words; None for numbers; empty where all are numbers."""
    if not stored.spellings:
        return ()
    return tuple(
        number_words(words, name, stored.spellings[name]) if name in stored.spellings else None
        for name in stored.names
    )


def _describe(plan: Plan, layout: Layout, config: SeriesConfig) -> Iterator[str]:
    """What was recognized, a line each."""
    season = f"season {layout.season}" if layout.season > 1 else "no season"
    step = plan.frequency.describe() if plan.has_dates else f"{plan.frequency.multiple:,}, without dates"
    yield f"steps of {step}, {season}, horizon {layout.horizon}"
    if not plan.has_dates and config.season is None and config.frequency is None:
        yield f"ds has no dates, so that no season is known: {setting('data.season', '24')} says it"


def _describe_left_out(plan: Plan, table: SeriesTable, facts: SeriesFacts) -> Iterator[str]:
    """How many series cannot be used: a row that cannot be read leaves out its series."""
    named = len(numpy.unique(table.frames.counts.nonzero()[0])) * len(plan.targets)
    if len(facts.lengths) < named:
        yield f"{named - len(facts.lengths):,} of {named:,} series left out"


def _describe_missing(plan: Plan, config: SeriesConfig, facts: SeriesFacts) -> Iterator[str]:
    """What was filled, a line each."""
    count, affected = int(facts.missing.sum()), int((facts.missing > 0).sum())
    if count:
        total = int(facts.lengths.sum())
        yield (
            f"steps without a value: {count:,} of {total:,}, in {affected:,} series; a model reads "
            f"{FILLED[config.fill]}, and no loss or metric counts them"
        )

    carried = int(facts.carried.sum())
    if carried:
        of_numbers = [column < plan.num_numbers for column in plan.exogenous]
        num_future = sum(of_numbers[len(of_numbers) - plan.num_future :])
        total = int(facts.lengths.sum()) * (sum(of_numbers) - num_future) + int(facts.rows.sum()) * num_future
        yield (
            f"exogenous columns without a value: {carried:,} of {total:,}, filled by the value before; "
            "before the first one a model reads the mean of training"
        )


def _describe_unread(table: SeriesTable, plan: Plan) -> Iterator[str]:
    """That rows after the end are of no use where no column is known ahead."""
    rows = table.splits.get("future", 0)
    if rows and not plan.num_future:
        names = ", ".join(plan.names[column] for column in plan.exogenous) or "…"
        yield (
            f"{rows:,} rows of future passed over, as no column is known ahead "
            f"(one is by {setting('data.known_future', f'[{names}]')})"
        )


def _as_error(message: str) -> DataError:
    """The error that a message was made of."""
    where, _, rest = message.partition(": ")
    return DataError(where, rest.removesuffix("."))


def _no_series(table: SeriesTable, skipped: SkippedRows) -> DataError:
    if len(skipped) == 1:
        return _as_error(skipped[0])
    expected = "expected at least one series that can be used"
    first = f"; the first of {len(skipped):,} that cannot: {skipped[0].removesuffix('.')}" if skipped else ""
    return DataError(table.path, expected, got=f"none{first}")
