"""The tables of a data set of series: which file is for what, and whether they are series at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.data.compression import content_name, content_suffix
from seqloom.data.folders import DataFiles, list_files
from seqloom.data.options import ReadOptions
from seqloom.data.series.rows.columns import is_of_other_tasks, recognize_roles
from seqloom.data.series.rows.frames import PARTS
from seqloom.data.series.rows.numbers import parse_numbers
from seqloom.data.series.rows.times import recognize_form
from seqloom.data.splits import infer_split
from seqloom.data.tables.columns import SAMPLE_ROWS, ExpectedColumns
from seqloom.data.tables.formats.table import read_table
from seqloom.errors import DataError

STATIC, FUTURE = ("static",), ("future", "futr")
"""Names of files with static columns, and with known-future columns after the last step"""
DELIMITED = (".csv", ".tsv")
TABLE_SUFFIXES = (*DELIMITED, ".jsonl", ".ndjson", ".json", ".parquet")


class SeriesFiles(NamedTuple):
    """The tables of a data set, and what each is for."""

    path: Path
    tables: tuple[tuple[Path, str], ...]
    """Each with its part; training comes first"""
    static: Path | None
    ignored: tuple[Path, ...]
    """Without the name of a split beside some that have one"""
    rest: str
    """What was passed over, in words"""


def find_series_files(path: Path) -> SeriesFiles:
    """The tables in a folder, or the only one."""
    data_files = list_files(path)
    tables = data_files.with_suffix(TABLE_SUFFIXES)
    static = [file for file in tables if path.is_dir() and _stem(file) in STATIC]
    parts = {file: _part_of(file, data_files) for file in tables if file not in static}
    named = any(part == "train" for part in parts.values())
    ignored = [file for file, part in parts.items() if part is None] if named else []
    used = [(file, part or "train") for file, part in parts.items() if file not in ignored]
    used.sort(key=lambda table: PARTS.index(table[1]))
    rest = data_files.describe_rest([*tables]) if path.is_dir() else ""
    return SeriesFiles(path, tuple(used), static[0] if static else None, tuple(ignored), rest)


def _stem(file: Path) -> str:
    return content_name(file).stem.lower()


def _part_of(file: Path, data_files: DataFiles) -> str | None:
    if not data_files.path.is_dir():
        return None
    return "future" if _stem(file) in FUTURE else infer_split(file, data_files.path)


def contains_series(path: Path, options: ReadOptions, expected: ExpectedColumns) -> bool:
    """Whether a file or folder is certainly a table of series, and none that another task reads."""
    if path.is_file() and content_suffix(path) not in TABLE_SUFFIXES:
        return False
    files = find_series_files(path)
    if not files.tables or files.tables[0][1] != "train":
        return False
    table = files.tables[0][0]
    try:
        options, rows = first_rows(table, options)
        if not rows or is_of_other_tasks(rows, options, expected):
            return False
        roles = recognize_roles(rows, options, table, expected)
        return roles.has_times or (roles.is_plain and content_suffix(table) in DELIMITED)
    except DataError:
        return False


def first_rows(table: Path, options: ReadOptions) -> tuple[ReadOptions, list[Mapping[str, Any]]]:
    """The first rows; a first line that is a row already names no columns."""
    rows = sample_rows(table, options)
    if options.header is None and content_suffix(table) in DELIMITED and _is_row(rows):
        options = options.model_copy(update={"header": False})
        rows = sample_rows(table, options)
    return options, rows


def sample_rows(table: Path, options: ReadOptions, count: int = SAMPLE_ROWS) -> list[Mapping[str, Any]]:
    """The first rows of a table that can be read."""
    rows = (row.fields for row in read_table(table, options) if row.error is None)
    return list(islice(rows, count))


def _is_row(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the names of columns are numbers, or dates."""
    names = list(rows[0]) if rows else []
    _, bad = parse_numbers(names)
    return bool(names) and all(recognize_form([names[column]]) is not None for column in bad)
