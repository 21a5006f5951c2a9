"""Tables of series, read into flat arrays: in memory if they are small, in the cache if not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, final

import numpy

from seqloom import __version__
from seqloom.data.cache import cached_folder
from seqloom.data.compression import content_name, is_compressed
from seqloom.data.folders import list_names
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.data.series.rows.columns import Roles, list_columns, recognize_roles
from seqloom.data.series.rows.files import SeriesFiles, find_series_files, first_rows, sample_rows
from seqloom.data.series.rows.frames import COUNTS, PARTS, Frames, FramesWriter, open_values
from seqloom.data.series.rows.numbers import parse_numbers
from seqloom.data.series.rows.plain import NotPlainError, read_plain
from seqloom.data.series.rows.static import read_static
from seqloom.data.series.rows.times import NOT_A_TIME, is_empty, join_parts, parse_times
from seqloom.data.series.table import SeriesTable
from seqloom.data.tables.columns import ANY_COLUMNS, ExpectedColumns
from seqloom.data.tables.formats.table import Row, read_table
from seqloom.data.tables.skipped import SkippedRows
from seqloom.errors import DataError
from seqloom.progress import Phase, phase

MEMORY_BYTES = 8 << 20
"""The rows of larger tables are written to files in the cache folder."""
GROWTH = 8
"""How much larger the content of a compressed table is, about"""
FORMAT = 3
"""Of the files in the cache"""
BATCH_ROWS = 8192
SUMMARY = "summary.json"


def read_series(
    path: Path,
    strict: bool = False,
    options: ReadOptions = READ_DEFAULTS,
    expected: ExpectedColumns = ANY_COLUMNS,
) -> SeriesTable:
    """Read a table of series, or a folder of such tables.

    A table is long (`unique_id`, `ds`, `y` and further columns), or wide (a column of dates, each other
    column of numbers a series), or a single series (dates and numbers, or numbers alone). In a folder, files
    named `train`, `validation` and `test` continue one another; `static` has one row a series, and `future`
    has rows of known-future columns after the last step. Several files without such names are a series each.

    Args:
        path: a table, or a folder.
        strict: whether a bad row or series is an error; otherwise it is skipped and counted.
        options: how tables are read; of `columns`, the roles `unique_id`, `ds` and `y`.
        expected: what is known of the columns of tables.

    Returns:
        `SeriesTable`: rows by series and time, as they are in the tables. `arrange_series` sets them on a
        grid and divides them.

    Raises:
        DataError: a table cannot be read, has no numbers, or no row is usable.
        RunError: the tables are large, and the cache cannot be written.
    """
    files = find_series_files(path)
    if not files.tables or files.tables[0][1] != "train":
        expected_files = "expected a table of series for training, such as train.csv"
        got = ", ".join(part for _, part in files.tables) or "none"
        raise DataError(path, expected_files, got=got)
    first = files.tables[0][0]
    options, rows = first_rows(first, options)
    roles = recognize_roles(rows, options, first, expected)
    sizes = {file: file.stat().st_size for file, _ in files.tables}
    unpacked = sum(size * (GROWTH if is_compressed(file) else 1) for file, size in sizes.items())
    job = SeriesReading(files, roles, options, strict)
    if unpacked < MEMORY_BYTES:
        frames, skipped = job.read()
        stored = ""
    else:
        key = job.key(sum(sizes.values()))
        folder = cached_folder("series", key, lambda target: job.read(target, key))
        frames, skipped = _load(folder, key)
        megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        stored = f"stored in {folder} ({megabytes:,.0f} MB)"
    late_rows, late_series = frames.unordered
    late = (
        f"rows out of order, {late_rows:,} before the row above it, in {late_series:,} series: sorted by time"
    )
    ignored = [file.name for file in files.ignored]
    remarks = [
        *roles.describe(list_columns(rows)),
        late if late_rows else "",
        f"ignored, since others are named train: {list_names(ignored)}" if ignored else "",
        files.rest,
        stored,
    ]
    static = (
        None if files.static is None else read_static(files.static, options, roles.unique_id or "unique_id")
    )
    used = [part for part in PARTS if part in {part for _, part in files.tables}]
    return SeriesTable(path, roles, frames, used, static, filter(None, remarks), skipped, strict)


@final
class SeriesReading:
    """Reads the rows of all tables."""

    def __init__(self, files: SeriesFiles, roles: Roles, options: ReadOptions, strict: bool) -> None:
        self._files, self._roles, self._options, self._strict = files, roles, options, strict
        self._codes: dict[str, int] = {}
        self._spelled: list[dict[str, int]] = [{} for _ in roles.categories]
        self._bad: dict[int, dict[int, str]] = {}
        self._skipped = SkippedRows()

    def key(self, size: int) -> str:
        """A hash of the content of all tables, and of whatever else the rows depend on."""
        settings = (FORMAT, __version__, self._strict, self._options.model_dump_json(), self._roles)
        digest = hashlib.sha256(repr(settings).encode(errors="surrogateescape"))
        with phase(f"checking {self._files.path.name}", total=size) as checking:
            for table, part in self._files.tables:
                digest.update(f"{part} {self._name_of(table)}".encode(errors="surrogateescape"))
                with table.open("rb") as file:
                    while block := file.read(1 << 22):
                        digest.update(block)
                        checking.advance(len(block))
        return digest.hexdigest()[:32]

    def read(self, folder: Path | None = None, key: str = "") -> tuple[Frames, SkippedRows]:
        """The rows, in memory or in files of `folder`."""
        with phase(f"reading {self._files.path.name}") as reading:
            try:
                writer = FramesWriter(self._width, folder)
                for table, part in self._files.tables:
                    self.read_columns(writer, table, PARTS.index(part), reading)
            except NotPlainError:
                for codes in (self._codes, *self._spelled):
                    codes.clear()
                writer = FramesWriter(self._width, folder)
                for table, part in self._files.tables:
                    self.read_rows(writer, table, PARTS.index(part), reading)
        if not writer.rows:
            got = self._skipped.describe() or "none"
            raise DataError(self._files.path, "expected at least one usable row for training", got=got)
        spellings = [list(codes) for codes in self._spelled]
        frames = writer.finish(list(self._codes), self._bad, key)._replace(spellings=spellings)
        if folder is not None:
            _save(folder, frames, self._skipped)
        return frames, self._skipped

    def read_columns(self, writer: FramesWriter, table: Path, part: int, reading: Phase) -> None:
        """A clean table, by its columns.

        Raises:
            NotPlainError: it is not clean.
        """
        columns = next(iter(sample_rows(table, self._options, 1)), {})
        before = 0
        for batch in read_plain(table, self._options, self._roles, list(columns)):
            names = batch.names if self._roles.unique_id is not None else [self._name_of(table)]
            codes = numpy.array([self._codes.setdefault(name, len(self._codes)) for name in names])
            size = len(batch.numbers)
            times = before + 1 + numpy.arange(size) if batch.times is None else batch.times
            for place, spellings in enumerate(batch.spellings, len(self._roles.numbers)):
                own = self._spell(place - len(self._roles.numbers), spellings)
                is_there = ~numpy.isnan(batch.values[:, place])
                batch.values[is_there, place] = own[batch.values[is_there, place].astype(numpy.int64)]
            writer.add(codes[batch.numbers], part, times, batch.values)
            before += size
            reading.advance(size)

    def read_rows(self, writer: FramesWriter, table: Path, part: int, reading: Phase) -> None:
        """Any table, row by row; what is wrong is kept with its place.

        Raises:
            DataError: it lacks a column, or, where that is strict, something is wrong.
        """
        before = 0
        for batch in _batches(read_table(table, self._options)):
            self._add(writer, table, part, before, self._usable(batch))
            before += len(batch)
            reading.advance(len(batch))

    def _usable(self, batch: Sequence[Row]) -> list[Row]:
        usable = []
        for row in batch:
            if row.error is None:
                usable.append(row)
            elif self._strict:
                raise row.error
            else:
                self._skipped.append(str(row.error))
        return usable

    def _name_of(self, table: Path) -> str:
        """The name of the only series in a table."""
        files = [file for file, part in self._files.tables if part == "train"]
        if len(files) > 1 and table in files:
            return content_name(table).stem
        return self._roles.y or ""

    def _add(self, writer: FramesWriter, table: Path, part: int, before: int, rows: Sequence[Row]) -> None:
        if not rows:
            return
        roles = self._roles
        present = dict.fromkeys(name for row in rows for name in row.fields)
        columns = {name: [row.fields.get(name) for row in rows] for name in present}
        for name in (*filter(None, [roles.unique_id]), *roles.ds):
            if name not in columns:
                raise DataError(table, f"expected a column {name}", got=", ".join(columns))
        names = [self._name_of(table)] * len(rows)
        if roles.unique_id is not None:
            names = [str(value) for value in columns[roles.unique_id]]
        codes = numpy.array([self._codes.setdefault(name, len(self._codes)) for name in names], numpy.int64)
        times = self._times(columns, before, len(rows))
        for row in numpy.flatnonzero(times == NOT_A_TIME).tolist():
            got = ", ".join(f"{columns[name][row]!s:.60}" for name in roles.ds)
            what = "a date" if roles.form.has_dates else "a whole number"
            self._refuse(codes[row], -1, rows[row], f"`{'`, `'.join(roles.ds)}` must be {what}", got)
        values = numpy.full((len(rows), self._width), numpy.nan)
        for column, name in enumerate(roles.numbers):
            if name not in columns:
                continue
            values[:, column], bad = parse_numbers(columns[name])
            for row in bad:
                expected = f"`{name}` must be a finite number"
                self._refuse(codes[row], column, rows[row], expected, f"{columns[name][row]!s:.60}")
        for place, name in enumerate(roles.categories):
            if name in columns:
                values[:, len(roles.numbers) + place] = self._spell(place, columns[name])
        is_usable = times != NOT_A_TIME
        writer.add(codes[is_usable], part, times[is_usable], values[is_usable])

    @property
    def _width(self) -> int:
        return len(self._roles.numbers) + len(self._roles.categories)

    def _spell(self, category: int, texts: Sequence[Any]) -> numpy.ndarray:
        """The numbers of the spellings of a category; NaN where nothing is. `NA` and `-` are words too."""
        codes = self._spelled[category]
        known = [
            numpy.nan if is_empty(text) else codes.setdefault(str(text).strip(), len(codes)) for text in texts
        ]
        return numpy.array(known, dtype=numpy.float64)

    def _times(self, columns: Mapping[str, Sequence[Any]], before: int, count: int) -> numpy.ndarray:
        roles = self._roles
        if not roles.ds:
            return before + 1 + numpy.arange(count)
        if len(roles.ds) == 1:
            return parse_times(columns[roles.ds[0]], roles.form.kind)
        return join_parts({name.strip().lower(): columns[name] for name in roles.ds})

    def _refuse(self, code: int, column: int, row: Row, expected: str, got: str) -> None:
        error = DataError(row.place, expected, got=got or "nothing")
        if self._strict:
            raise error
        self._bad.setdefault(int(code), {}).setdefault(column, str(error))


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch


def _save(folder: Path, frames: Frames, skipped: SkippedRows) -> None:
    """Write what is known of the rows beside them."""
    numpy.save(folder / COUNTS, frames.counts)
    summary = {
        "unique_ids": list(frames.unique_ids),
        "width": frames.width,
        "bad": {code: dict(columns) for code, columns in frames.bad.items()},
        "unordered": frames.unordered,
        "spellings": list(frames.spellings),
        "skipped": [list(skipped), len(skipped)],
    }
    (folder / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")


def _load(folder: Path, key: str) -> tuple[Frames, SkippedRows]:
    summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    bad = {
        int(code): {int(column): message for column, message in columns.items()}
        for code, columns in summary["bad"].items()
    }
    frames = Frames(
        summary["unique_ids"],
        numpy.load(folder / COUNTS),
        *open_values(folder),
        summary["width"],
        bad,
        tuple(summary["unordered"]),
        key,
        summary["spellings"],
    )
    return frames, SkippedRows(*summary["skipped"])
