"""The rows of series as tables have them, in flat arrays: collected in any order, kept by series and time."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
        for name, array in ((GROUPS, groups), (TIMES, times), (VALUES, values)):
            typed = numpy.ascontiguousarray(array, dtype=DTYPES[name])
            if self._folder is None:
                self._parts[name].append(typed)
            else:
                with (self._folder / f"{UNSORTED}{name}").open("ab") as file:
                    typed.tofile(file)
        self.rows += len(codes)

    def finish(
        self, unique_ids: Sequence[str], bad: Mapping[int, Mapping[int, str]], key: str = ""
    ) -> Frames:
        """All rows, by series, part and time."""
        size = len(unique_ids) * len(PARTS)
        if self._folder is None:
            joined = {name: numpy.concatenate(parts) for name, parts in self._parts.items()}
            counts = numpy.bincount(joined[GROUPS], minlength=size)
            times, values = joined[TIMES], joined[VALUES]
            unordered = (0, 0)
            if not self._is_sorted:
                order = numpy.argsort(joined[GROUPS], kind="stable")
                times, values = times[order], values[order]
                unordered = _sort_by_time(counts, times, values, lambda: None)
            stored: tuple[Values, Values] = MemoryValues(times), MemoryValues(values.reshape(-1))
        else:
            counts, unordered = self._finish_files(self._folder, size)
            stored = open_values(self._folder)
        return Frames(unique_ids, counts.reshape(-1, len(PARTS)), *stored, self.width, bad, unordered, key)

    def _finish_files(self, folder: Path, size: int) -> tuple[numpy.ndarray, tuple[int, int]]:
        """Sort the rows that were written, with about as much in memory as a chunk has."""
        unsorted = {name: folder / f"{UNSORTED}{name}" for name in DTYPES}
        counts = numpy.zeros(size, numpy.int64)
        for start in range(0, self.rows, CHUNK_ROWS):
            counts += numpy.bincount(self._read(unsorted[GROUPS], start, 1)[:, 0], minlength=size)
        unordered = (0, 0)
        if self._is_sorted:
            for name in (TIMES, VALUES):
                unsorted[name].rename(folder / name)
        else:
            with (
                _map(folder / TIMES, self.rows, 1) as times,
                _map(folder / VALUES, self.rows, self.width) as values,
            ):
                places = numpy.cumsum(counts) - counts
                for start in range(0, self.rows, CHUNK_ROWS):
                    groups = self._read(unsorted[GROUPS], start, 1)[:, 0]
                    targets = _find_places(groups, places)
                    times.array[targets] = self._read(unsorted[TIMES], start, 1)
                    values.array[targets] = self._read(unsorted[VALUES], start, self.width)
                    times.release()
                    values.release()

                def release() -> None:
                    times.release()
                    values.release()

                unordered = _sort_by_time(counts, times.array[:, 0], values.array, release)
        for file in unsorted.values():
            file.unlink(missing_ok=True)
        return counts, unordered

    def _read(self, file: Path, start: int, width: int) -> numpy.ndarray:
        """Rows of a file, (n, width)."""
        dtype = numpy.dtype(DTYPES[file.name.removeprefix(UNSORTED)])
        count = min(CHUNK_ROWS, self.rows - start) * width
        return numpy.fromfile(file, dtype, count, offset=start * width * dtype.itemsize).reshape(-1, width)


def _find_places(groups: numpy.ndarray, places: numpy.ndarray) -> numpy.ndarray:
    """Where each row of a chunk goes; `places`, the next free place of every group, is moved on."""
    order = numpy.argsort(groups, kind="stable")
    ordered = groups[order]
    begins = numpy.flatnonzero(numpy.diff(ordered, prepend=-1))
    sizes = numpy.diff(numpy.append(begins, len(ordered)))
    targets = numpy.empty(len(groups), numpy.int64)
    targets[order] = places[ordered] + numpy.arange(len(ordered)) - numpy.repeat(begins, sizes)
    places[ordered[begins]] += sizes
    return targets


@final
class _Mapping:
    """A file as an array (rows, width) of 8-byte numbers, whose pages leave memory when they are released."""

    def __init__(self, pages: mmap.mmap, array: numpy.ndarray) -> None:
        self._pages, self.array = pages, array

    def release(self) -> None:
        """Let the system write what was changed, and take its pages."""
        self._pages.madvise(mmap.MADV_DONTNEED)


@contextmanager
def _map(path: Path, rows: int, width: int) -> Iterator[_Mapping]:
    with path.open("wb+") as file:
        file.truncate(max(rows * width * 8, 1))
        pages = mmap.mmap(file.fileno(), 0)
        array = numpy.frombuffer(pages, DTYPES[path.name], rows * width).reshape(rows, width)
        yield _Mapping(pages, array)
        pages.flush()


def open_values(folder: Path) -> tuple[Values, Values]:
    """Times and values that a writer left in a folder."""
    return FileValues(folder / TIMES, numpy.int64), FileValues(folder / VALUES, numpy.float64)


def _sort_by_time(
    counts: numpy.ndarray, times: numpy.ndarray, values: numpy.ndarray, release: Callable[[], object]
) -> tuple[int, int]:
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
        release()
        first = last
    return late_rows, late_groups
