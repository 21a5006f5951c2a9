"""The rows of a table as Arrow keeps them: in memory, or memory-mapped from a file that never changes.

A text is stored as it is. Whatever else a row holds (numbers, lists, nothing) is JSON in the column `rest`,
so that rows may differ in their columns and types, as in `.jsonl`. A row comes back as it was, but for values
that JSON has no form for, such as dates, which come back as texts.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, final, overload

import numpy

from seqloom.errors import DataError

COLUMN = "column:"
"""Before the name of a table's column among Arrow's"""
FILE = "file"
"""The column whose texts are paths"""
FETCHES = 64
"""Rows after which the pages of a file that they were read from are let go, a quarter of a megabyte each"""


class Example(NamedTuple):
    """A row of the data and its place."""

    place: str
    """For example `train.csv, line 3`"""
    fields: Mapping[str, Any]

    def text(self, column: str) -> str:
        """The text in `column`.

        Raises:
            DataError: there is no such text, or it is white space only.
        """
        value = self.fields.get(column)
        if isinstance(value, str) and value.strip():
            return value
        got = "nothing" if value is None or isinstance(value, str) else f"{value!r:.60}"
        raise DataError(self.place, f"`{column}` must be a text", got=got)


class BatchStore(Protocol):
    """Where Arrow batches are."""

    def fetch(self, number: int) -> Any:
        """A batch of which few rows are wanted."""
        ...

    def read(self, number: int) -> Any:
        """A batch of which all rows are wanted."""
        ...


@final
class ArrowFile:
    """The batches of an Arrow IPC file, opened when they are needed, by each process for itself.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._fetches = path, 0

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process it goes as its path."""
        return ArrowFile, (self._path,)

    def fetch(self, number: int) -> Any:
        """Memory-mapped, of which what was touched is let go now and then: all of it would stay resident."""
        self._fetches += 1
        if self._fetches % FETCHES == 0 and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)
        return self._mapped.get_batch(number)

    def read(self, number: int) -> Any:
        """Copied into memory, which is free again with the batch: a mapping of all would stay resident."""
        return self._streamed.get_batch(number)

    @cached_property
    def _mapping(self) -> mmap.mmap:
        with self._path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @cached_property
    def _mapped(self) -> Any:
        import pyarrow

        return pyarrow.ipc.open_file(pyarrow.BufferReader(pyarrow.py_buffer(self._mapping)))

    @cached_property
    def _streamed(self) -> Any:
        import pyarrow

        return pyarrow.ipc.open_file(pyarrow.OSFile(str(self._path)))


@final
class ArrowMemory:
    """Batches in memory.

    Args:
        batches: Arrow record batches.
    """

    def __init__(self, batches: Sequence[Any]) -> None:
        self._batches = batches

    def fetch(self, number: int) -> Any:
        """The batch."""
        return self._batches[number]

    read = fetch


@final
class ExampleBatch:
    """Rows that are stored together.

    Args:
        batch: an Arrow record batch.
        sources: the files that rows come from.
    """

    def __init__(self, batch: Any, sources: Sequence[str]) -> None:
        self._batch, self._sources = batch, sources
        # By number: Arrow searches a name among all of them, for each of ten thousand columns of each row.
        self._numbers = {
            name.removeprefix(COLUMN): number
            for number, name in enumerate(batch.schema.names)
            if name.startswith(COLUMN)
        }

    def __len__(self) -> int:
        return self._batch.num_rows

    @cached_property
    def _rest(self) -> dict[int, dict[str, Any]]:
        """What is no text, by row."""
        rest = self._batch.column("rest")
        if rest.null_count == len(rest):
            return {}
        return {row: json.loads(text) for row, text in enumerate(rest.to_pylist()) if text is not None}

    def values(self, column: str, missing: Any = None) -> list[Any]:
        """The value of every row in a column; `missing` where a row lacks it."""
        if column not in self._numbers:
            return [
                _restore(column, self._rest.get(row, {}).get(column, missing)) for row in range(len(self))
            ]
        texts = self._batch.column(self._numbers[column])
        values = texts.to_pylist()
        if column == FILE:
            values = [_restore(column, value) for value in values]
        if texts.null_count:
            for row, value in enumerate(values):
                if value is None:
                    values[row] = _restore(column, self._rest.get(row, {}).get(column, missing))
        return values

    def example(self, row: int) -> Example:
        """One of the rows."""
        return next(iter(ExampleBatch(self._batch.slice(row, 1), self._sources)))

    def texts(self, column: str) -> Any:
        """A column of which every value is a text, as an Arrow array of large strings."""
        import pyarrow

        if column in self._numbers and not (texts := self._batch.column(self._numbers[column])).null_count:
            return texts
        return pyarrow.array(self.values(column), pyarrow.large_string())

    def places(self) -> list[str]:
        """The place of every row."""
        sources, places = (self._batch.column(name).to_pylist() for name in ("source", "place"))
        return [self._sources[source] + place for source, place in zip(sources, places, strict=True)]

    def __iter__(self) -> Iterator[Example]:
        """The rows as examples."""
        columns = [self.values(name, _MISSING) for name in self._numbers]
        rows = zip(*columns, strict=True) if columns else iter([()] * len(self))
        rest = self._rest
        for number, (place, row) in enumerate(zip(self.places(), rows, strict=True)):
            fields = {
                name: value for name, value in zip(self._numbers, row, strict=True) if value is not _MISSING
            }
            if number in rest:
                more = {name: _restore(name, value) for name, value in rest[number].items()}
                fields = {**fields, **more}
            yield Example(place, fields)


_MISSING = object()


def _restore(column: str, value: Any) -> Any:
    """A path is stored as a text."""
    return Path(value) if column == FILE and isinstance(value, str) and value else value


@final
class Examples(Sequence[Example]):
    """The examples of a split, which are made when they are asked for.

    Args:
        batches: where each Arrow batch is: its store, and its number there.
        sizes: rows of each batch.
        sources: the files that rows come from.
        rows: which of all rows, rising; None: all.
        key: a hash of the rows where they are in the cache; empty where they are in memory.
    """

    def __init__(
        self,
        batches: Sequence[tuple[BatchStore, int]],
        sizes: Sequence[int],
        sources: Sequence[str],
        rows: numpy.ndarray | None = None,
        key: str = "",
    ) -> None:
        self._batches, self._sizes, self._sources = batches, sizes, sources
        self._stops = numpy.cumsum(numpy.array(sizes, dtype=numpy.int64))
        self._rows, self._key = rows, key

    def __len__(self) -> int:
        return sum(self._sizes) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...

    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            numbers = numpy.arange(len(self))[index]
            return self.take(numbers) if (index.step or 1) > 0 else [self[int(n)] for n in numbers]
        row = range(len(self))[index]
        row = row if self._rows is None else int(self._rows[row])
        number = int(numpy.searchsorted(self._stops, row, side="right"))
        store, place = self._batches[number]
        first = int(self._stops[number]) - self._sizes[number]
        return ExampleBatch(store.fetch(place), self._sources).example(row - first)

    def __iter__(self) -> Iterator[Example]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[ExampleBatch]:
        """The rows in order, a few thousand at a time."""
        for number, (store, place) in enumerate(self._batches):
            stop = int(self._stops[number])
            first = stop - self._sizes[number]
            if self._rows is None:
                yield ExampleBatch(store.read(place), self._sources)
                continue
            low, high = numpy.searchsorted(self._rows, [first, stop])
            if low < high:
                batch = store.read(place)
                if high - low < self._sizes[number]:
                    batch = batch.take(_arrow_array(self._rows[low:high] - first))
                yield ExampleBatch(batch, self._sources)

    def take(self, numbers: numpy.ndarray) -> Examples:
        """The examples of these numbers, which must rise."""
        rows = numbers if self._rows is None else self._rows[numbers]
        return Examples(self._batches, self._sizes, self._sources, rows, self._key)

    @property
    def key(self) -> str:
        """A hash that changes with the rows; empty where they are in memory."""
        if not self._key or self._rows is None:
            return self._key
        return hashlib.sha256(self._key.encode() + self._rows.astype(numpy.int64).tobytes()).hexdigest()

    @staticmethod
    def join(parts: Sequence[Examples]) -> Examples:
        """All examples of splits of one data set, in order."""
        if len(parts) == 1:
            return parts[0]
        starts = numpy.cumsum([0, *(sum(part._sizes) for part in parts)])
        rows = [
            start + (numpy.arange(len(part)) if part._rows is None else part._rows)
            for start, part in zip(starts, parts, strict=False)
        ]
        return Examples(
            [batch for part in parts for batch in part._batches],
            [size for part in parts for size in part._sizes],
            parts[0]._sources if parts else (),
            numpy.concatenate([numpy.zeros(0, dtype=numpy.int64), *rows]),
            hashlib.sha256("".join(keys).encode()).hexdigest() if all(keys := [p.key for p in parts]) else "",
        )


def _arrow_array(numbers: numpy.ndarray) -> Any:
    import pyarrow

    return pyarrow.array(numbers)
