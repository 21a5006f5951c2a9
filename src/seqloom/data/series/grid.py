"""Rows set on a regular grid: gaps become NaN, and what cannot be on one grid is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from seqloom.data.options import setting
from seqloom.data.series.frequency import Frequency, format_times
from seqloom.data.series.rows.frames import PARTS, Chunk
from seqloom.errors import DataError

MAX_GROWTH, MAX_SMALL_STEPS = 10, 10_000
"""A series may have so many times as many steps as rows; a short one so many steps."""
NO_WORD = -2
"""In place of the number of a word, where a cell is empty"""
TRAIN, TEST, FUTURE = PARTS.index("train"), PARTS.index("test"), PARTS.index("future")


class Plan(NamedTuple):
    """What becomes of rows."""

    path: Path
    frequency: Frequency
    has_dates: bool
    targets: tuple[int, ...]
    """The columns that are forecast, each a series of its own"""
    exogenous: tuple[int, ...]
    """The columns that come with each; historic ones first"""
    num_future: int
    """How many of these are known beforehand"""
    names: tuple[str, ...]
    """Of all columns"""
    has_ids: bool
    """Whether series have names of their own; else they are called by their columns"""
    num_numbers: int
    """How many columns are numbers; those after them are words"""
    max_steps: int | None = None


class SeriesFacts(NamedTuple):
    """Series on their grid, each from its first observed step to its last: all but their values."""

    unique_ids: Sequence[str]
    starts: numpy.ndarray
    """(S,) int64: the time of step 0"""
    lengths: numpy.ndarray
    """(S,) int64: steps of y"""
    rows: numpy.ndarray
    """(S,) int64: steps of exogenous columns"""
    ends: numpy.ndarray
    """(S, 3) int64: the steps at which train, validation and test end"""
    missing: numpy.ndarray
    """(S,) int64: steps without a value"""
    carried: numpy.ndarray
    """(S,) int64: numbers of exogenous columns that are missing up to the last step, of known-future ones
    behind it too"""


class Gridded(NamedTuple):
    """Some series on their grid, as flat arrays."""

    facts: SeriesFacts
    y: numpy.ndarray
    exogenous: numpy.ndarray
    """(rows, F): numbers, NaN before the first one of a column; of words their numbers, or `NO_WORD`"""


def grid_chunk(
    chunk: Chunk, plan: Plan, unique_ids: Sequence[str], bad: Mapping[int, Mapping[int, str]]
) -> tuple[list[Gridded], list[str]]:
    """Set the rows of some series on their grid.

    Args:
        chunk: the rows.
        plan: what becomes of them.
        unique_ids: names of all series of the table.
        bad: why a column of a series cannot be used, by the number of the series.

    Returns:
        The series by target, and a message for each that cannot be used.
    """
    totals = chunk.counts.sum(1)
    names = [unique_ids[chunk.first + row] for row in range(len(totals))]
    times = chunk.times if plan.has_dates else continue_integers(chunk.times, chunk.counts, plan.frequency)
    groups = numpy.repeat(numpy.arange(len(totals)), totals)
    begins = numpy.cumsum(totals) - totals
    starts = numpy.zeros(len(totals), numpy.int64)
    starts[totals > 0] = times[begins[totals > 0]]
    positions, on_grid = plan.frequency.positions(times, starts[groups])
    on_grid[1:] &= (numpy.diff(positions) != 0) | (groups[1:] != groups[:-1])  # two days of one month
    errors = _find_irregular(plan, names, times, groups, on_grid)
    for row, name in enumerate(names):
        messages = bad.get(chunk.first + row, {})
        if -1 in messages or not totals[row]:
            errors[row] = messages.get(-1, str(DataError(_place(plan, name), "must have rows", got=0)))
    is_good = numpy.ones(len(totals), bool)
    is_good[list(errors)] = False
    keep = is_good[groups]
    if plan.max_steps is not None:
        keep &= positions < plan.max_steps
    sizes = numpy.zeros(len(totals), numpy.int64)
    numpy.maximum.at(sizes, groups[keep], positions[keep] + 1)
    limit = numpy.maximum(totals * MAX_GROWTH, MAX_SMALL_STEPS)
    for row in numpy.flatnonzero(sizes > limit).tolist():
        expected = f"steps must be {plan.frequency.describe()} apart, with few gaps"
        got = f"{totals[row]:,} rows in {sizes[row]:,} steps"
        hint = f"Name the frequency by {setting('data.frequency', 'D')}"
        errors[row] = str(DataError(_place(plan, names[row]), expected, got=got, hint=hint))
        sizes[row] = 0
    keep &= (sizes > 0)[groups]
    offsets = numpy.cumsum(sizes) - sizes
    grid = numpy.full((int(sizes.sum()), chunk.values.shape[1]), numpy.nan)
    places = offsets[groups[keep]] + positions[keep]
    grid[places] = chunk.values[keep]
    is_row = numpy.zeros(len(grid), bool)
    is_row[places] = True
    ends = numpy.minimum(_find_ends(chunk.counts, begins, positions), sizes[:, None])
    frames = _Frames(names, starts, sizes, offsets, ends, grid, is_row)
    messages = [errors[row] for row in sorted(errors)]
    results = []
    for target in plan.targets:
        refused = {
            row: found[column]
            for row in range(len(totals))
            if row not in errors and (found := bad.get(chunk.first + row))
            for column in (*plan.exogenous, target)
            if column in found
        }
        results.append(_trim(frames, plan, target, refused, messages))
    return results, messages


class _Frames(NamedTuple):
    """The series of a chunk on their grid."""

    names: list[str]
    starts: numpy.ndarray
    sizes: numpy.ndarray
    offsets: numpy.ndarray
    ends: numpy.ndarray
    grid: numpy.ndarray
    is_row: numpy.ndarray
    """Of each step of the grid whether the table has it"""


def _name_series(plan: Plan, name: str, target: int) -> str:
    """By its name, by its column, or by both where a table that has a name has several columns."""
    if not plan.has_ids:
        return plan.names[target]
    return name if len(plan.targets) == 1 else f"{name}/{plan.names[target]}"


def _place(plan: Plan, name: str) -> str:
    return f"{plan.path}, series {name}" if name else str(plan.path)


def continue_integers(times: numpy.ndarray, counts: numpy.ndarray, frequency: Frequency) -> numpy.ndarray:
    """Integers that count from the start again in each file go on where the file before ended.

    Args:
        times: (N,) int64.
        counts: (S, P) int64: rows of each series by file.
        frequency: how far steps are apart.

    >>> continue_integers(numpy.array([1, 2, 3, 1, 2]), numpy.array([[3, 0, 2, 0]]), Frequency("step"))
    array([1, 2, 3, 4, 5])
    """
    stops = numpy.cumsum(counts.reshape(-1)).reshape(counts.shape)
    times = times.copy()
    for part in range(1, counts.shape[1]):
        before = counts[:, :part].sum(1)
        for row in numpy.flatnonzero((counts[:, part] > 0) & (before > 0)).tolist():
            rows = slice(int(stops[row, part] - counts[row, part]), int(stops[row, part]))
            last = times[rows.start - 1]
            if times[rows.start] <= last:
                times[rows] += last + frequency.multiple - times[rows.start]
    return times


def _find_ends(counts: numpy.ndarray, begins: numpy.ndarray, positions: numpy.ndarray) -> numpy.ndarray:
    """(S, 3): the step after the last row of train, validation and test."""
    ends = numpy.zeros((len(counts), FUTURE), numpy.int64)
    for part in range(FUTURE):
        before = counts[:, : part + 1].sum(1)
        has_rows = before > 0
        ends[has_rows, part] = positions[begins[has_rows] + before[has_rows] - 1] + 1
    return ends


def _find_irregular(
    plan: Plan, names: Sequence[str], times: numpy.ndarray, groups: numpy.ndarray, on_grid: numpy.ndarray
) -> dict[int, str]:
    """A message for each series whose times are on no grid."""
    is_next = groups[1:] == groups[:-1]
    widths = numpy.diff(times)
    wrong = ~on_grid
    wrong[1:] |= is_next & (widths <= 0)
    errors: dict[int, str] = {}
    rows = numpy.flatnonzero(wrong)
    for row in rows[numpy.unique(groups[rows], return_index=True)[1]].tolist():
        now, before = format_times(times[[row, row - 1]], Frequency("us"), plan.has_dates)
        place = _place(plan, names[int(groups[row])])
        if row and is_next[row - 1] and widths[row - 1] == 0:
            hint = ""
            if not plan.has_ids:
                hint = f"If a column tells series apart: {setting('data.columns.unique_id', 'NAME')}"
            elif plan.frequency.unit in ("s", "min", "h"):
                hint = "If clocks were set back, write times in UTC"
            error = DataError(place, "each time must occur once", got=f"{now} twice", hint=hint)
        elif row and is_next[row - 1] and widths[row - 1] < 0:
            error = DataError(
                place, "train, validation and test must follow one another", got=f"{now} after {before}"
            )
        else:
            expected = f"steps must be {plan.frequency.describe()} apart"
            hint = f"Another frequency by {setting('data.frequency', 'D')}"
            error = DataError(place, expected, got=f"{now} after {before}", hint=hint)
        errors[int(groups[row])] = str(error)
    return errors


def _trim(
    frames: _Frames, plan: Plan, target: int, refused: Mapping[int, str], messages: list[str]
) -> Gridded:
    """The series of one target, without what is missing at both ends."""
    count = len(frames.names)
    groups = numpy.repeat(numpy.arange(count), frames.sizes)
    steps = numpy.arange(len(groups)) - frames.offsets[groups]
    y = frames.grid[:, target].copy()
    y[steps >= frames.ends[groups, TEST]] = numpy.nan
    observed = numpy.flatnonzero(~numpy.isnan(y))
    first, last = numpy.zeros(count, numpy.int64), numpy.full(count, -1, numpy.int64)
    rows, places = numpy.unique(groups[observed], return_index=True)
    first[rows] = steps[observed[places]]
    last[rows] = steps[observed[numpy.append(places[1:], len(observed))[: len(rows)] - 1]]
    is_good = last >= 0
    for row, message in refused.items():
        messages.append(message)
        is_good[row] = False
    names = [_name_series(plan, name, target) for name in frames.names]
    for row in numpy.flatnonzero((last < 0) & (frames.sizes > 0)).tolist():
        if row not in refused:
            error = DataError(
                _place(plan, names[row]), f"`{plan.names[target]}` must have a value", got="none"
            )
            messages.append(str(error))
    lengths = numpy.where(is_good, last - first + 1, 0)
    further = frames.grid[:, list(plan.exogenous)]
    is_number = numpy.array(plan.exogenous, int) < plan.num_numbers
    is_absent = numpy.isnan(further) & is_number
    absent = is_absent.sum(1)
    absent_ahead = is_absent[:, is_absent.shape[1] - plan.num_future :].sum(1)
    totals = lengths.copy()
    if plan.num_future:  # an empty cell of words is known to be empty, if there is its row
        is_known = frames.is_row & ~is_absent[:, -plan.num_future :].any(1)
        numpy.maximum.at(totals, groups[is_known], steps[is_known] + 1 - first[groups[is_known]])
        totals[~is_good] = 0
    since = steps - first[groups]
    kept = is_good[groups] & (since >= 0)
    is_step = kept & (since < lengths[groups])
    y = y[is_step]
    is_row = kept & (since < totals[groups])
    good = numpy.flatnonzero(is_good)
    series = numpy.repeat(numpy.arange(len(good)), lengths[good])
    facts = SeriesFacts(
        [names[row] for row in good.tolist()],
        plan.frequency.times(frames.starts[good], first[good]),
        lengths[good],
        totals[good],
        numpy.clip(frames.ends[good] - first[good, None], 0, lengths[good, None]),
        numpy.bincount(series[numpy.isnan(y)], minlength=len(good)),
        numpy.bincount(
            numpy.repeat(numpy.arange(len(good)), totals[good]),
            numpy.where(since < lengths[groups], absent, absent_ahead)[is_row],
            minlength=len(good),
        ).astype(numpy.int64),
    )
    exogenous = _carry_forward(further[is_row], totals[good])
    exogenous[:, ~is_number] = numpy.nan_to_num(further[is_row][:, ~is_number], nan=NO_WORD)
    return Gridded(facts, y, exogenous)


def _carry_forward(values: numpy.ndarray, lengths: numpy.ndarray) -> numpy.ndarray:
    """Columns with the value before where there is none; NaN before the first one."""
    missing = numpy.isnan(values)
    if not missing.any():
        return values
    begin = numpy.repeat(numpy.cumsum(lengths) - lengths, lengths)[:, None]
    rows = numpy.arange(len(values))[:, None]
    before = numpy.maximum.accumulate(numpy.where(missing, -1, rows), axis=0)
    filled = numpy.take_along_axis(values, numpy.maximum(before, 0), 0)
    return numpy.where(before >= begin, filled, numpy.nan)
