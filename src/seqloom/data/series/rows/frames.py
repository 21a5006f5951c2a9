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
GROUPS, TIMES, VALUES, COUNTS = "groups.bin", "times.bin", "values.bin", "counts.npy"
DTYPES = {GROUPS: numpy.int64, TIMES: numpy.int64, VALUES: numpy.float64}
UNSORTED = "unsorted-"


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
    spellings: Sequence[Sequence[str]] = ()
    """Of each column of categories, which are the last ones: what its numbers 0, 1, … stand for"""

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
        self.rows = 0
        self._parts: dict[str, list[numpy.ndarray]] = {name: [] for name in DTYPES}
        self._last = (-1, 0)
        """Group and time of the last row"""
        self._is_sorted = True
        if folder is not None:  # what an earlier attempt has left
            for name in DTYPES:
                (folder / f"{UNSORTED}{name}").unlink(missing_ok=True)

    def add(self, codes: numpy.ndarray, part: int, times: numpy.ndarray, values: numpy.ndarray) -> None:
        """Add rows.

        Args:
            codes: (n,) int64, the number of the series of each row.
            part: its place among `PARTS`.
            times: (n,) int64.
            values: (n, C) float64.
        """
        groups = codes * len(PARTS) + part
        if not len(groups):
            return
        rises = numpy.diff(groups, prepend=self._last[0])
        is_later = numpy.diff(times, prepend=self._last[1]) >= 0
        self._is_sorted &= bool(((rises > 0) | ((rises == 0) & is_later)).all())
        self._last = int(groups[-1]), int(times[-1])
        rows = _Rows(groups, times, values)
        if self._folder is None:
            for name, array in zip(DTYPES, rows, strict=True):
                self._parts[name].append(array)
        else:
            rows.append(self._folder, UNSORTED)
        self.rows += len(codes)

    def finish(
        self, unique_ids: Sequence[str], bad: Mapping[int, Mapping[int, str]], key: str = ""
    ) -> Frames:
        """All rows, by series, part and time."""
        size = len(unique_ids) * len(PARTS)
        late = (0, 0)
        if self._folder is None:
            rows = _Rows(*(numpy.concatenate(self._parts[name]) for name in DTYPES))
            counts = numpy.bincount(rows.groups, minlength=size)
            if not self._is_sorted:
                rows, late = _sort(rows)
            stored: tuple[Values, Values] = MemoryValues(rows.times), MemoryValues(rows.values.reshape(-1))
        else:
            unsorted = {name: self._folder / f"{UNSORTED}{name}" for name in DTYPES}
            counts = numpy.zeros(size, numpy.int64)
            for start in range(0, self.rows, CHUNK_ROWS):
                counts += numpy.bincount(self._read(unsorted, start).groups, minlength=size)
            if self._is_sorted:
                for name in (TIMES, VALUES):
                    unsorted[name].rename(self._folder / name)
            else:
                late = self._sort_files(self._folder, unsorted, counts)
            for file in unsorted.values():
                file.unlink(missing_ok=True)
            stored = open_values(self._folder)
        return Frames(unique_ids, counts.reshape(-1, len(PARTS)), *stored, self.width, bad, late, key)

    def _sort_files(
        self, folder: Path, unsorted: Mapping[str, Path], counts: numpy.ndarray
    ) -> tuple[int, int]:
        """Sort rows with about a million in memory: first into files of so many, then each of these."""
        bucket_of = (numpy.cumsum(counts) - counts) // CHUNK_ROWS
        for start in range(0, self.rows, CHUNK_ROWS):
            rows = self._read(unsorted, start)
            buckets = bucket_of[rows.groups]
            order = numpy.argsort(buckets, kind="stable")
            begins = numpy.flatnonzero(numpy.diff(buckets[order], prepend=-1))
            for part in numpy.split(order, begins[1:]):
                rows.take(part).append(folder, f"{UNSORTED}{buckets[part[0]]}-")
        late_rows = late_groups = 0
        for bucket in range(int(bucket_of.max(initial=0)) + 1):
            files = {name: folder / f"{UNSORTED}{bucket}-{name}" for name in DTYPES}
            if files[GROUPS].exists():
                rows, late = _sort(self._read(files))
                late_rows, late_groups = late_rows + late[0], late_groups + late[1]
                rows.append(folder, "")
            for file in (*files.values(), folder / GROUPS):
                file.unlink(missing_ok=True)
        return late_rows, late_groups

    def _read(self, files: Mapping[str, Path], start: int | None = None) -> _Rows:
        """A chunk of the rows that are in files; without a start, all of them."""
        arrays = []
        for name, dtype in DTYPES.items():
            width = self.width if name == VALUES else 1
            count = -1 if start is None else CHUNK_ROWS * width
            offset = (start or 0) * width * numpy.dtype(dtype).itemsize
            arrays.append(numpy.fromfile(files[name], dtype, count, offset=offset))
        return _Rows(arrays[0], arrays[1], arrays[2].reshape(-1, self.width))


class _Rows(NamedTuple):
    """Some rows: the group of each, its time, its values."""

    groups: numpy.ndarray
    times: numpy.ndarray
    values: numpy.ndarray

    def take(self, rows: numpy.ndarray) -> _Rows:
        return _Rows(self.groups[rows], self.times[rows], self.values[rows])

    def append(self, folder: Path, prefix: str) -> None:
        for name, array in zip(DTYPES, self, strict=True):
            with (folder / f"{prefix}{name}").open("ab") as file:
                numpy.ascontiguousarray(array, DTYPES[name]).tofile(file)


def _sort(rows: _Rows) -> tuple[_Rows, tuple[int, int]]:
    """Rows by group and time; how many came after a later one, and of how many groups."""
    rows = rows.take(numpy.argsort(rows.groups, kind="stable"))
    is_late = (numpy.diff(rows.times) < 0) & (numpy.diff(rows.groups) == 0)
    if not is_late.any():
        return rows, (0, 0)
    late = int(is_late.sum()), len(numpy.unique(rows.groups[1:][is_late]))
    return rows.take(numpy.lexsort((rows.times, rows.groups))), late


def open_values(folder: Path) -> tuple[Values, Values]:
    """Times and values that a writer left in a folder."""
    return FileValues(folder / TIMES, numpy.int64), FileValues(folder / VALUES, numpy.float64)
