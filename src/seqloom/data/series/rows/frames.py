"""The rows of series as tables have them, in flat arrays: collected in any order, kept by series and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, final

import numpy

from seqloom.data.ragged import FileValues, MemoryValues, Values

PARTS = ("train", "validation", "test", "future")
"""What a file may be named after, in the order of time; `future` has rows with known-future columns only."""
CHUNK_ROWS = 1 << 20
CODES, TIMES, VALUES, COUNTS = "codes.bin", "times.bin", "values.bin", "counts.npy"


class Chunk(NamedTuple):
    """The rows of some series, one series after the other."""

    first: int
    """The number of the first series"""
    counts: numpy.ndarray
    """(S, P) int64: rows of each series by part"""
    times: numpy.ndarray
    """(N,) int64"""
    values: numpy.ndarray
    """(N, C) float64, NaN where there is nothing"""


class Frames(NamedTuple):
    """The rows of all series, by series, part and time."""

    unique_ids: Sequence[str]
    counts: numpy.ndarray
    """(S, P) int64: rows of each series by part"""
    times: Values
    """int64"""
    values: Values
    """float64, C numbers a row"""
    width: int
    """C"""
    bad: Mapping[int, Mapping[int, str]]
    """Why a column of a series cannot be used, by the number of the series, and of the column or -1: all"""
    unordered: tuple[int, int]
    """Rows that came before an earlier one, and of how many series"""
    key: str = ""
    """A hash of all, if they are in the cache"""

    def chunks(self) -> Iterator[Chunk]:
        """All rows, some series at a time, about a million rows."""
        totals = self.counts.sum(1)
        stops = numpy.cumsum(totals)
        first = 0
        while first < len(totals):
            start = int(stops[first] - totals[first])
            last = max(int(numpy.searchsorted(stops, start + CHUNK_ROWS, side="right")), first + 1)
            stop = int(stops[last - 1])
            values = self.values.read(start * self.width, stop * self.width).reshape(-1, self.width)
            yield Chunk(first, self.counts[first:last], self.times.read(start, stop), values)
            first = last


@final
class FramesWriter:
    """Collects rows as they come.

    Args:
        width: numbers in a row.
        folder: where they are written; None: they stay in memory.
    """

    def __init__(self, width: int, folder: Path | None = None) -> None:
        self.width, self._folder = width, folder
        self._parts: dict[str, list[numpy.ndarray]] = {CODES: [], TIMES: [], VALUES: []}
        self._dtypes = {CODES: numpy.int64, TIMES: numpy.int64, VALUES: numpy.float64}
        self.rows = 0
        if folder is not None:  # what an earlier attempt has left
            for name in self._parts:
                (folder / f"unsorted-{name}").unlink(missing_ok=True)

    def add(self, codes: numpy.ndarray, part: int, times: numpy.ndarray, values: numpy.ndarray) -> None:
        """Add rows.

        Args:
            codes: (n,) int64, the number of the series of each row.
            part: its place among `PARTS`.
            times: (n,) int64.
            values: (n, C) float64.
        """
        arrays = {CODES: codes * len(PARTS) + part, TIMES: times, VALUES: values}
        for name, array in arrays.items():
            typed = numpy.ascontiguousarray(array, dtype=self._dtypes[name])
            if self._folder is None:
                self._parts[name].append(typed)
            else:
                with (self._folder / f"unsorted-{name}").open("ab") as file:
                    typed.tofile(file)
        self.rows += len(codes)

    def finish(
        self, unique_ids: Sequence[str], bad: Mapping[int, Mapping[int, str]], key: str = ""
    ) -> Frames:
        """All rows, by series, part and time."""
        keys, times, values = (self._collected(name) for name in (CODES, TIMES, VALUES))
        values = values.reshape(-1, self.width)
        counts = numpy.zeros(len(unique_ids) * len(PARTS), numpy.int64)
        for start in range(0, self.rows, CHUNK_ROWS):
            counts += numpy.bincount(keys[start : start + CHUNK_ROWS], minlength=len(counts))
        sorted_times = self._allocate(TIMES, (self.rows,))
        sorted_values = self._allocate(VALUES, (self.rows, self.width))
        places = numpy.cumsum(counts) - counts
        for start in range(0, self.rows, CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            chunk = numpy.asarray(keys[rows])
            order = numpy.argsort(chunk, kind="stable")
            groups = chunk[order]
            is_first = numpy.concatenate([[True], groups[1:] != groups[:-1]])
            begins = numpy.flatnonzero(is_first)
            sizes = numpy.diff(numpy.append(begins, len(groups)))
            targets = places[groups] + numpy.arange(len(groups)) - numpy.repeat(begins, sizes)
            sorted_times[targets] = times[rows][order]
            sorted_values[targets] = values[rows][order]
            places[groups[begins]] += sizes
        unordered = _sort_by_time(counts, sorted_times, sorted_values)
        counts = counts.reshape(-1, len(PARTS))
        if self._folder is None:
            stored: tuple[Values, Values] = (
                MemoryValues(sorted_times),
                MemoryValues(sorted_values.reshape(-1)),
            )
        else:
            for array in (sorted_times, sorted_values):
                array.flush()  # type: ignore[attr-defined]
            del keys, times, values, sorted_times, sorted_values
            for name in (CODES, TIMES, VALUES):
                (self._folder / f"unsorted-{name}").unlink(missing_ok=True)
            stored = open_values(self._folder)
        return Frames(unique_ids, counts, *stored, self.width, bad, unordered, key)

    def _collected(self, name: str) -> numpy.ndarray:
        if self._folder is None:
            parts = self._parts.pop(name)
            empty = numpy.zeros((0, self.width) if name == VALUES else 0, self._dtypes[name])
            return numpy.concatenate([empty, *parts])
        file = self._folder / f"unsorted-{name}"
        if not self.rows or not file.stat().st_size:
            return numpy.zeros(0, self._dtypes[name])
        return numpy.memmap(file, dtype=self._dtypes[name], mode="r")

    def _allocate(self, name: str, shape: tuple[int, ...]) -> numpy.ndarray:
        dtype = self._dtypes[name]
        if self._folder is None or not numpy.prod(shape):
            if self._folder is not None:
                (self._folder / name).touch()
            return numpy.empty(shape, dtype)
        return numpy.memmap(self._folder / name, dtype=dtype, mode="w+", shape=shape)


def open_values(folder: Path) -> tuple[Values, Values]:
    """Times and values that a writer left in a folder."""
    return FileValues(folder / TIMES, numpy.int64), FileValues(folder / VALUES, numpy.float64)


def _sort_by_time(counts: numpy.ndarray, times: numpy.ndarray, values: numpy.ndarray) -> tuple[int, int]:
    """Sort the rows of each group in place; how many rows came too late, and of how many groups."""
    stops = numpy.cumsum(counts)
    late_rows = late_groups = 0
    first = 0
    while first < len(counts):
        start = int(stops[first] - counts[first])
        last = max(int(numpy.searchsorted(stops, start + CHUNK_ROWS, side="right")), first + 1)
        rows = slice(start, int(stops[last - 1]))
        groups = numpy.repeat(numpy.arange(first, last), counts[first:last])
        chunk = numpy.asarray(times[rows])
        is_late = (numpy.diff(chunk) < 0) & (groups[1:] == groups[:-1])
        if is_late.any():
            late_rows += int(is_late.sum())
            late_groups += len(numpy.unique(groups[1:][is_late]))
            order = numpy.lexsort((chunk, groups))
            times[rows] = chunk[order]
            values[rows] = values[rows][order]
        first = last
    return late_rows, late_groups
