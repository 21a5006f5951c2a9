"""Rows of tables: `.csv`, `.tsv`, `.jsonl`, `.parquet` and CoNLL files, each with its place in the file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from seqloom.data.encoding import detect_encoding, encoding_error, read_head
from seqloom.data.tables.conll import read_conll
from seqloom.errors import DataError
from seqloom.optional import import_optional

MAX_FIELD_CHARACTERS = 1 << 30


class Row(NamedTuple):
    """A row of a table, or the error that makes it unusable."""

    place: str
    """For example `train.csv, line 3`"""
    fields: dict[str, Any]
    error: DataError | None = None


def read_table(path: Path) -> Iterator[Row]:
    """Read the rows of a table, in order.

    Args:
        path: a file; its suffix says the format.

    Yields:
        `Row`.

    Raises:
        DataError: the file is empty or damaged, is not UTF-8, or its header is unusable.
    """
    if path.stat().st_size == 0:
        raise DataError(path, "expected a table", got="an empty file")
    try:
        yield from READERS[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(path, "expected a file that can be read", got=error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        raise encoding_error(path, "the table must be UTF-8", error, read_head(path), path.name) from None


def _open_text(path: Path) -> TextIO:
    """Open a file whose lines end at LF or CRLF, nowhere else."""
    return path.open(encoding=detect_encoding(read_head(path)), newline="\n")


def _read_csv(path: Path) -> Iterator[Row]:
    return _named_by_header(path, _csv_values(path))


def _read_tsv(path: Path) -> Iterator[Row]:
    return _named_by_header(path, _tsv_values(path))


def _csv_values(path: Path) -> Iterator[tuple[int, list[str] | DataError]]:
    """The line where each row begins, and its values, or why it has none."""
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    with _open_text(path) as file:
        reader = csv.reader(file, strict=True)
        line = 1
        while True:
            try:
                values = next(reader, None)
            except csv.Error as error:
                place = f"{path}, line {line}"
                if "new-line" not in str(error):
                    hint = 'Quote a field that contains a quote, and double the inner one: "say ""no"""'
                    raise DataError(place, "expected a row", got=str(error), hint=hint) from None
                hint = "Lines end at LF or CRLF; quote a field that contains a CR"
                values = DataError(place, "expected a row", got="a CR within a line", hint=hint)
            if values is None:
                return
            yield line, values
            line = reader.line_num + 1


def _tsv_values(path: Path) -> Iterator[tuple[int, list[str] | DataError]]:
    """The number of each line, and its values; a quote is a character like any other."""
    with _open_text(path) as file:
        for number, line in enumerate(file, 1):
            content = line.removesuffix("\n").removesuffix("\r")
            yield number, content.split("\t") if content else []


def _named_by_header(path: Path, rows: Iterator[tuple[int, list[str] | DataError]]) -> Iterator[Row]:
    """Rows whose values are named by the first one; empty lines are left out."""
    header = None
    for line, values in rows:
        place = f"{path}, line {line}"
        if isinstance(values, DataError):
            if header is None:
                raise values
            yield Row(place, {}, values)
        elif header is None:
            header = _check_header(path, values)
        elif not values:
            continue
        elif len(values) != len(header):
            expected = f"expected {len(header)} columns ({', '.join(header)})"
            yield Row(place, {}, DataError(place, expected, got=len(values)))
        else:
            yield Row(place, dict(zip(header, values, strict=True)))


def _check_header(path: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if "" in names or len(set(names)) != len(names):
        expected = "the first line must name the columns, without repeats"
        raise DataError(path, expected, got=", ".join(names) or "an empty line")
    return names


def _read_jsonl(path: Path) -> Iterator[Row]:
    with _open_text(path) as file:
        for number, line in enumerate(file, 1):
            place = f"{path}, line {number}"
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
                if "\\u" in line:  # half of a surrogate pair is valid JSON, but no character
                    json.dumps(fields, ensure_ascii=False).encode("utf-8")
            except (ValueError, RecursionError) as error:
                yield Row(place, {}, DataError(place, "expected a JSON object", got=str(error)))
                continue
            if isinstance(fields, dict):
                yield Row(place, fields)
            else:
                got = type(fields).__name__
                yield Row(place, {}, DataError(place, "expected a JSON object", got=got))


def _read_parquet(path: Path) -> Iterator[Row]:
    parquet, arrow = (import_optional(name, "parquet") for name in ("pyarrow.parquet", "pyarrow"))
    try:
        with path.open("rb") as file:  # given a path, pyarrow refuses names that are not UTF-8
            batches = parquet.ParquetFile(file).iter_batches()
            rows = (fields for batch in batches for fields in batch.to_pylist())
            for number, fields in enumerate(rows, 1):
                yield Row(f"{path}, row {number}", fields)
    except arrow.ArrowException as error:
        raise DataError(path, "expected a Parquet file", got=str(error)) from None


def _read_conll(path: Path) -> Iterator[Row]:
    for line, tokens, tags, error in read_conll(path):
        yield Row(f"{path}, line {line}", {"tokens": tokens, "tags": tags}, error)


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".conll": _read_conll,
}
