"""Series on a regular grid, divided by time, in flat arrays: what a task that forecasts reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, final

import numpy

from seqloom.data.digest import Digest
from seqloom.data.ragged import MemoryValues, Values
from seqloom.data.series.calendar import compute_calendar
from seqloom.data.series.frequency import Frequency, format_times
from seqloom.data.series.options import Fill
from seqloom.data.tables.skipped import SkippedRows
from seqloom.errors import DataError

CHUNK_SERIES = 4096


class Layout(NamedTuple):
    """What the series of a data set have in common."""

    frequency: Frequency
    has_dates: bool
    """Whether times are microseconds since 1970-01-01; else they are the integers of `ds`"""
    season: int
    """Steps after which the pattern repeats; 1: it does not"""
    horizon: int
    """Steps to forecast"""
    historic: tuple[str, ...] = ()
    """Further columns, known up to the cutoff"""
    future: tuple[str, ...] = ()
    """Further columns, known beforehand; calendar columns are not among them: see `SeriesData.calendar`"""
    static: tuple[str, ...] = ()
    """Columns that have one value a series"""
    fill: Fill = "forward"
    """How a model reads missing values: see `fill_gaps`"""
    calendar: tuple[str, ...] = ()
    """Columns that are computed of dates"""
    holidays: str | None = None
    """The country of the column `holiday`, which is computed of dates too"""
    categories: tuple[tuple[int, ...] | None, ...] = ()
    """Of each stored exogenous column None for numbers, else the number of the word of each column that is
    made of it; empty where all are numbers"""
    words: tuple[tuple[str, str], ...] = ()
    """These words, each after the name of its column"""

    @property
    def exogenous(self) -> tuple[str, ...]:
        """Historic columns, then those that are known beforehand: the columns of `Series.exogenous`."""
        return self.historic + self.future

    @property
    def stored(self) -> int:
        """Exogenous columns as they are stored, where a column of words is one."""
        return len(self.categories) or len(self.exogenous)


class Series(NamedTuple):
    """One series. Its first and its last step are observed."""

    unique_id: str
    start: int
    """The time of step 0"""
    y: numpy.ndarray
    """(T,) float64; NaN where nothing was observed"""
    exogenous: numpy.ndarray
    """(T + more, F) float64, NaN before the first value of a column of numbers; the steps after T are those
    whose known-future columns are given"""
    static: numpy.ndarray
    """(K,) float64"""

    @property
    def mask(self) -> numpy.ndarray:
        """(T,) bool: what was observed."""
        return ~numpy.isnan(self.y)


class Split(NamedTuple):
    """The steps of each series that belong to a split. All steps before them are history."""

    starts: numpy.ndarray
    """(S,) int64: the first step"""
    stops: numpy.ndarray
    """(S,) int64: the step after the last one; as `starts` where a series has none"""

    @property
    def numbers(self) -> numpy.ndarray:
        """The series that have a step in this split."""
        return numpy.flatnonzero(self.stops > self.starts)

    @property
    def steps(self) -> int:
        """Steps of all series together."""
        return int((self.stops - self.starts).sum())


class Arrays(NamedTuple):
    """The series as flat arrays, one series after the other, in memory or in files of the cache."""

    unique_ids: Sequence[str]
    starts: numpy.ndarray
    """(S,) int64: the time of step 0"""
    lengths: numpy.ndarray
    """(S,) int64: steps of y"""
    rows: numpy.ndarray
    """(S,) int64: steps of exogenous columns, at least as many"""
    y: Values
    """float64, `lengths` values a series"""
    exogenous: Values
    """float64, `rows` times F values a series, step by step"""
    static: numpy.ndarray
    """(S, K) float64"""
    scales: numpy.ndarray
    """(S, 2) float64: by mean and deviation of training, if y is standardized; else 0 and 1"""
    key: str = ""
    """A hash of all, where they are in the cache"""


@final
class SeriesData:
    """Series that a model can read: as many as there are, in bounded memory.

    Args:
        path: the file or folder.
        layout: what they have in common.
        arrays: their numbers.
        splits: `train`, `validation`, perhaps `test`. In `train` is all of a series up to what is held out.
        remarks: what a person should know, a line each.
        skipped: one message for every series that could not be used.
        strict: whether a bad series is an error.
        value_remarks: those of the remarks that are about values: missing ones, unknown words.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        arrays: Arrays,
        splits: Mapping[str, Split],
        remarks: Sequence[str] = (),
        skipped: SkippedRows | None = None,
        strict: bool = False,
        value_remarks: Sequence[str] = (),
    ) -> None:
        self.value_remarks = tuple(value_remarks)
        self.path, self.layout, self.arrays = path, layout, arrays
        self.splits: Mapping[str, Split] = MappingProxyType(dict(splits))
        self.remarks, self.strict = tuple(remarks), strict
        self.skipped = SkippedRows() if skipped is None else skipped
        self._offsets = _offsets(arrays.lengths)
        self._row_offsets = _offsets(arrays.rows)

    def __len__(self) -> int:
        """Number of series."""
        return len(self.arrays.lengths)

    @property
    def lengths(self) -> numpy.ndarray:
        """Steps of each series up to the last observed one (S,) int64."""
        return self.arrays.lengths

    @property
    def unique_ids(self) -> Sequence[str]:
        """The name of each series."""
        return self.arrays.unique_ids

    def split(self, name: str) -> Split:
        """The steps of a split; `all`: every step.

        Raises:
            DataError: there is no such split.
        """
        if name == "all":
            return Split(numpy.zeros_like(self.lengths), self.lengths)
        if name not in self.splits:
            expected = f"expected a split named {name}"
            raise DataError(self.path, expected, got=", ".join(self.splits))
        return self.splits[name]

    def series(self, number: int) -> Series:
        """One series, read when it is asked for."""
        number = range(len(self))[number]
        arrays, width = self.arrays, self.layout.stored
        first, row = int(self._offsets[number]), int(self._row_offsets[number])
        mean, deviation = arrays.scales[number]
        y = (arrays.y.read(first, first + int(arrays.lengths[number])) - mean) / deviation
        rows = int(arrays.rows[number]) if width else len(y)
        stored = arrays.exogenous.read(row * width, (row + rows) * width).reshape(rows, width)
        exogenous = encode_categories(stored, self.layout.categories)
        start = int(arrays.starts[number])
        return Series(arrays.unique_ids[number], start, y, exogenous, arrays.static[number])

    def __iter__(self) -> Iterator[Series]:
        return map(self.series, range(len(self)))

    def windows(self, numbers: numpy.ndarray, stops: numpy.ndarray, length: int) -> numpy.ndarray:
        """The `length` steps of y before `stops`, of many series at once.

        For targets of a forecast at a cutoff, `stops` is the cutoff plus the horizon.

        Args:
            numbers: of series (B,), any number of times.
            stops: (B,) int64, the step after the window; a part of the window may be outside the series.
            length: steps.

        Returns:
            (B, length) float64; NaN where nothing was observed, and outside the series.
        """
        window = _read_windows(
            self.arrays.y, self._offsets[numbers], self.arrays.lengths[numbers], stops, length, 1
        )
        mean, deviation = self.arrays.scales[numbers].T[:, :, None]
        return (window[:, :, 0] - mean) / deviation

    def exogenous_windows(self, numbers: numpy.ndarray, stops: numpy.ndarray, length: int) -> numpy.ndarray:
        """The `length` steps of the exogenous columns before `stops`, (B, length, F); NaN outside the rows.

        Columns are `layout.exogenous`: historic ones first. Who forecasts must not look at historic columns
        after the cutoff.
        """
        width = self.layout.stored
        if not width:
            return numpy.zeros((len(numbers), length, 0))
        rows, offsets = self.arrays.rows[numbers], self._row_offsets[numbers]
        stored = _read_windows(self.arrays.exogenous, offsets, rows, stops, length, width)
        return encode_categories(stored, self.layout.categories)

    def times(self, numbers: numpy.ndarray, stops: numpy.ndarray, length: int) -> numpy.ndarray:
        """The times of the `length` steps before `stops`, (B, length) int64, also outside the series."""
        positions = numpy.asarray(stops)[:, None] + numpy.arange(-length, 0)
        return self.layout.frequency.times(self.arrays.starts[numbers][:, None], positions)

    def format_times(self, times: numpy.ndarray) -> list[str]:
        """Times as `ds` has them."""
        return format_times(times, self.layout.frequency, self.layout.has_dates)

    def calendar(self, times: numpy.ndarray) -> numpy.ndarray:
        """The columns that are computed of dates, from -0.5 to 0.5; `holiday`, which is last, is 0 or 1.

        Args:
            times: (…,) int64.

        Returns:
            (…, C) float64, C of `layout.calendar` and one for holidays.

        Raises:
            ConfigError: holidays are asked for, and the package `holidays` is missing.
        """
        return compute_calendar(times, self.layout.calendar, self.layout.holidays)

    def standardized(self) -> SeriesData:
        """The series in standard deviations from their mean in training, as `arrays.scales` says."""
        scales = numpy.empty((len(self), 2))
        stops = self.splits["train"].stops
        for number in range(len(self)):
            y = self.series(number).y[: int(stops[number])]
            deviation = numpy.nanstd(y)
            scales[number] = numpy.nanmean(y), deviation if deviation > 0 else 1.0
        arrays = self.arrays._replace(scales=scales)
        return SeriesData(
            self.path,
            self.layout,
            arrays,
            self.splits,
            self.remarks,
            self.skipped,
            self.strict,
            self.value_remarks,
        )

    @cached_property
    def digest(self) -> str:
        """A hash of every series and split."""
        digest = Digest()
        digest.add(repr(self.layout))
        for split in self.splits.values():
            digest.add(split)
        arrays = self.arrays
        digest.add([arrays.starts, arrays.lengths, arrays.static, arrays.scales])
        if arrays.key:
            digest.add(arrays.key)
            return digest.hexdigest()
        digest.add(list(arrays.unique_ids))
        for values in (arrays.y, arrays.exogenous):
            assert isinstance(values, MemoryValues)
            digest.add(values.array)
        return digest.hexdigest()

    def describe(self) -> str:
        """For example `414 series; train 313,756 steps, validation 39,744 steps`."""
        sizes = ", ".join(f"{name} {split.steps:,} steps" for name, split in self.splits.items())
        return "; ".join([f"{len(self):,} series", sizes, *self.remarks])


def encode_categories(stored: numpy.ndarray, categories: Sequence[tuple[int, ...] | None]) -> numpy.ndarray:
    """Exogenous columns (…, F) of stored ones (…, C): a column of words becomes one of 0 and 1 for each.

    Where a cell is empty all of these are 0.

    >>> encode_categories(numpy.array([[7.5, -2], [8.5, 2], [9.5, numpy.nan]]), (None, (2, 3)))
    array([[7.5, 0. , 0. ],
           [8.5, 1. , 0. ],
           [9.5, nan, nan]])
    """
    if not categories:
        return stored
    parts = []
    for place, words in enumerate(categories):
        column = stored[..., place : place + 1]
        is_word = numpy.where(numpy.isnan(column), numpy.nan, column == numpy.array(words or ()))
        parts.append(column if words is None else is_word)
    return numpy.concatenate(parts, -1)


def fill_gaps(y: numpy.ndarray, fill: Fill = "forward") -> numpy.ndarray:
    """Windows without NaN, as a model reads them. Nothing after a cutoff is looked at: a window ends there.

    Args:
        y: (B, L) float64, with NaN where nothing was observed or where the series has not begun.
        fill: `forward`: the last value before; `interpolate`: a line to the next one, and `forward` after the
            last; `zero`: 0. What is before the first value of a window is that value; 0 if there is none.

    Returns:
        (B, L) float64.

    >>> fill_gaps(numpy.array([[numpy.nan, 1, numpy.nan, 3, numpy.nan]]))
    array([[1., 1., 1., 3., 3.]])
    >>> fill_gaps(numpy.array([[numpy.nan, 1, numpy.nan, 3, numpy.nan]]), "interpolate")
    array([[1., 1., 2., 3., 3.]])
    """
    missing = numpy.isnan(y)
    if not missing.any():
        return y
    steps = numpy.arange(y.shape[1])
    before = numpy.maximum.accumulate(numpy.where(missing, -1, steps), axis=1)
    first = (~missing).argmax(1)[:, None]
    is_before_first = before < 0
    if fill == "zero":
        filled = numpy.where(missing, 0.0, y)
        edge = numpy.take_along_axis(filled, first, 1)
        return numpy.where(is_before_first, edge, filled)
    before = numpy.where(is_before_first, first, before)
    filled = numpy.take_along_axis(y, before, 1)
    if fill == "interpolate":
        end = y.shape[1]
        after = numpy.minimum.accumulate(numpy.where(missing, end, steps)[:, ::-1], axis=1)[:, ::-1]
        is_between = (after < end) & ~is_before_first & missing
        after = numpy.where(is_between, after, before)
        share = (steps - before) / numpy.maximum(after - before, 1)
        line = filled + share * (numpy.take_along_axis(y, after, 1) - filled)
        filled = numpy.where(is_between, line, filled)
    return numpy.nan_to_num(filled, nan=0.0)


def _offsets(lengths: numpy.ndarray) -> numpy.ndarray:
    """Where each series begins in a flat array."""
    return numpy.cumsum(lengths, dtype=numpy.int64) - lengths


def _read_windows(
    values: Values,
    offsets: numpy.ndarray,
    lengths: numpy.ndarray,
    stops: numpy.ndarray,
    length: int,
    width: int,
) -> numpy.ndarray:
    """(B, length, width), NaN outside the series."""
    stops = numpy.asarray(stops, numpy.int64)
    if isinstance(values, MemoryValues):
        steps = stops[:, None] + numpy.arange(-length, 0)
        is_inside = (steps >= 0) & (steps < lengths[:, None])
        places = numpy.where(is_inside, offsets[:, None] + steps, 0)
        table = values.array.reshape(-1, width)
        window = table[places] if len(table) else numpy.zeros((*places.shape, width))
        window[~is_inside] = numpy.nan
        return window
    window = numpy.full((len(stops), length, width), numpy.nan)
    first = numpy.clip(stops - length, 0, lengths)
    last = numpy.clip(stops, 0, lengths)
    for row in numpy.flatnonzero(last > first).tolist():
        low, high, offset = int(first[row]), int(last[row]), int(offsets[row])
        place = low - int(stops[row]) + length
        part = values.read((offset + low) * width, (offset + high) * width)
        window[row, place : place + high - low] = part.reshape(-1, width)
    return window
