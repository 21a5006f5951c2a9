"""Rows of numbers of any lengths as one flat array, in memory or in a file."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, final

import numpy

from seqloom.data.cache import cached_folder

VALUES, LENGTHS = "values.bin", "lengths.npy"
CHUNK = 1 << 20
BLOCK = 64
"""Rows between two positions that stay in memory: 8 bytes for every row are 80 MB for ten million"""

Parts = Iterable[tuple[numpy.ndarray, numpy.ndarray]]
"""The values of some rows, one row after the other, and the lengths of those rows"""


class Values(Protocol):
    """A flat array, wherever it is."""

    def read(self, start: int, stop: int) -> numpy.ndarray:
        """A slice of it."""
        ...


class MemoryValues(NamedTuple):
    """A flat array in memory."""

    array: numpy.ndarray

    def read(self, start: int, stop: int) -> numpy.ndarray:
        """A slice of it."""
        return self.array[start:stop]


@final
class FileValues:
    """A flat array in a file. What is read of it does not stay in memory, as pages of a mapping would.

    Args:
        path: the file.
        dtype: of the numbers.
    """

    def __init__(self, path: Path, dtype: Any) -> None:
        self._path, self._dtype = path, numpy.dtype(dtype)
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process it goes as its path."""
        return FileValues, (self._path, self._dtype)

    def read(self, start: int, stop: int) -> numpy.ndarray:
        """A slice of it; a position of the file is not moved, so that threads and forks may share it."""
        size = self._dtype.itemsize
        data = os.pread(self._descriptor, (stop - start) * size, start * size)
        return numpy.frombuffer(data, dtype=self._dtype)


@final
class Ragged:
    """Rows of numbers.

    Args:
        values: those of all rows, one row after the other.
        lengths: of every row (N,).
    """

    def __init__(self, values: Values, lengths: numpy.ndarray) -> None:
        self.lengths = lengths
        self._values = values
        firsts = range(0, len(lengths), BLOCK)
        sums = (
            numpy.add.reduceat(lengths, firsts, dtype=numpy.int64) if firsts else numpy.zeros(0, numpy.int64)
        )
        self._block_stops = numpy.cumsum(sums)

    def __len__(self) -> int:
        return len(self.lengths)

    def row(self, number: int) -> numpy.ndarray:
        """The values of a row."""
        number = range(len(self))[number]
        block, first = number // BLOCK, number // BLOCK * BLOCK
        start = int(self._block_stops[block - 1]) if block else 0
        start += int(self.lengths[first:number].sum(dtype=numpy.int64))
        return self._values.read(start, start + int(self.lengths[number]))

    def chunks(self) -> Iterator[numpy.ndarray]:
        """All values, about a million at a time."""
        total = int(self._block_stops[-1]) if len(self) else 0
        for start in range(0, total, CHUNK):
            yield self._values.read(start, min(start + CHUNK, total))

    def digest(self) -> str:
        """A SHA-256 hash of all values and lengths."""
        digest = hashlib.sha256(numpy.asarray(self.lengths, dtype=numpy.int64).tobytes())
        for chunk in self.chunks():
            digest.update(numpy.asarray(chunk, dtype=numpy.int64).tobytes())
        return digest.hexdigest()


def make_ragged(
    kind: str, key: str, dtype: Any, parts: Callable[[], Parts], finish: Callable[[Path | None], object] = str
) -> tuple[Ragged, Path | None]:
    """Collect rows: in memory, or, with a key, in the cache, unless they are there.

    Args:
        kind: the folder in the cache.
        key: a hash of all that the rows depend on; empty: they stay in memory.
        dtype: of the numbers.
        parts: computes the rows.
        finish: called when all rows are computed, with the folder; it may write other files there.

    Returns:
        The rows, and the folder of the cache, None for memory.
    """
    if not key:
        values, lengths = [numpy.zeros(0, dtype)], [numpy.zeros(0, numpy.int32)]
        for part, part_lengths in parts():
            values.append(part.astype(dtype, copy=False))
            lengths.append(part_lengths.astype(numpy.int32, copy=False))
        finish(None)
        return Ragged(MemoryValues(numpy.concatenate(values)), numpy.concatenate(lengths)), None

    def write(folder: Path) -> None:
        lengths = [numpy.zeros(0, numpy.int32)]
        with (folder / VALUES).open("wb") as file:
            for part, part_lengths in parts():
                part.astype(dtype, copy=False).tofile(file)
                lengths.append(part_lengths.astype(numpy.int32, copy=False))
        numpy.save(folder / LENGTHS, numpy.concatenate(lengths))
        finish(folder)

    folder = cached_folder(kind, key, write)
    return Ragged(FileValues(folder / VALUES, dtype), numpy.load(folder / LENGTHS)), folder
