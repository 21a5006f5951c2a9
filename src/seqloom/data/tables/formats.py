"""Rows of tables: `.csv`, `.tsv`, `.jsonl`, `.parquet` and CoNLL columns; each row has its place."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.data.tables.conll import read_conll
from seqloom.errors import DataError
from seqloom.optional import optional_package

FIELD_CHARACTERS = 1 << 30


class Row(NamedTuple):
    """A row, or what is wrong with it."""

    place: str
    fields: dict[str, Any]
    error: DataError | None = None


def read_table(path: Path) -> Iterator[Row]:
    """The rows of a table, in order.

    Raises:
        DataError: the file cannot be read as what its name says it is.
    """
    if path.stat().st_size == 0:
        raise DataError(path, "expected a table", got="an empty file")
    try:
        yield from READERS[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(path, "expected a file that can be read", got=error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        hint = f"Convert it, as with: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8{path.suffix}"
        got = f"byte 0x{error.object[error.start]:02x} ({error.reason})"
        raise DataError(path, "the table must be UTF-8", got=got, hint=hint) from None


def _csv(path: Path) -> Iterator[Row]:
    return _separated(path, ",")


def _tsv(path: Path) -> Iterator[Row]:
    return _separated(path, "\t")


def _separated(path: Path, separator: str) -> Iterator[Row]:
    csv.field_size_limit(FIELD_CHARACTERS)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        header, line = None, 0
        while True:
            try:
                values = next(reader, None)
            except csv.Error as error:
                hint = 'A field that holds a quote must be quoted, and the quote doubled: "say ""no"""'
                place = f"{path}, line {line + 1}"
                raise DataError(place, "expected a row", got=str(error), hint=hint) from None
            if values is None:
                return
            place, line = f"{path}, line {line + 1}", reader.line_num
            if header is None:
                header = _header(path, values)
            elif not values:
                continue
            elif len(values) != len(header):
                expected = f"expected {len(header)} columns ({', '.join(header)})"
                yield Row(place, {}, DataError(place, expected, got=len(values)))
            else:
                yield Row(place, dict(zip(header, values, strict=True)))


def _header(path: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if "" in names or len(set(names)) != len(names):
        expected = "the first line must name the columns, each once"
        raise DataError(path, expected, got=", ".join(names) or "an empty line")
    return names


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            place = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
            except ValueError as error:
                yield Row(place, {}, DataError(place, "expected a JSON object", got=str(error)))
                continue
            if isinstance(fields, dict):
                yield Row(place, fields)
            else:
                got = type(fields).__name__
                yield Row(place, {}, DataError(place, "expected a JSON object", got=got))


def _parquet(path: Path) -> Iterator[Row]:
    parquet, arrow = (optional_package(name, "parquet") for name in ("pyarrow.parquet", "pyarrow"))
    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches():
            for fields in batch.to_pylist():
                number += 1
                yield Row(f"{path}, row {number}", fields)
    except arrow.ArrowException as error:
        raise DataError(path, "expected a Parquet file", got=str(error)) from None


def _conll(path: Path) -> Iterator[Row]:
    for found in read_conll(path):
        yield Row(f"{path}, line {found.line}", {"tokens": found.tokens, "tags": found.tags}, found.error)


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
    ".conll": _conll,
}
