"""Rows of tables, by the format that the name of a file says, each with its place in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from seqloom.data.compression import content_suffix, read_head
from seqloom.data.encoding import HEAD_BYTES, encoding_error
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.data.tables.formats.conll import read_conll
from seqloom.data.tables.formats.delimited import read_delimited
from seqloom.data.tables.formats.file import Row, TableFile, check_lengths
from seqloom.data.tables.formats.json_rows import read_json, read_jsonl
from seqloom.data.tables.formats.speech import find_ljspeech, read_ljspeech
from seqloom.errors import DataError

__all__ = ["READERS", "Row", "read_table"]


def read_table(
    path: Path, options: ReadOptions = READ_DEFAULTS, note: Callable[[str], object] = str
) -> Iterator[Row]:
    """Read the rows of a table, in order.

    Args:
        path: a file; its suffix says the format, before `.gz`, `.bz2` or `.xz`.
        options: how it is read.
        note: called with what was recognized, a line each.

    Yields:
        `Row`, with the columns that the table has.

    Raises:
        DataError: the file is empty or damaged, is in another encoding, or its header is unusable.
    """
    if path.stat().st_size == 0:
        raise DataError(path, "expected a table", got="an empty file")
    file = TableFile(path, options, note)
    try:
        yield from map(check_lengths, READERS[content_suffix(path)](file))
    except OSError as error:
        raise DataError(path, "expected a file that can be read", got=error.strerror or str(error)) from None
    except UnicodeError as error:
        name = "UTF-8" if options.encoding is None else options.encoding
        head = read_head(path, HEAD_BYTES)
        raise encoding_error(path, f"the table must be {name}", error, head, path.name) from None


def _read_csv(file: TableFile) -> Iterator[Row]:
    folder = find_ljspeech(file)
    return read_delimited(file, ",") if folder is None else read_ljspeech(file, folder)


def _read_tsv(file: TableFile) -> Iterator[Row]:
    return read_delimited(file, "\t")


def _read_parquet(file: TableFile) -> Iterator[Row]:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        with file.path.open("rb") as content:  # given a path, pyarrow refuses names that are not UTF-8
            batches = parquet.ParquetFile(content).iter_batches()
            rows = (fields for batch in batches for fields in batch.to_pylist())
            for number, fields in enumerate(rows, 1):
                yield Row(f"{file.path}, row {number}", fields)
    except arrow.ArrowException as error:
        raise DataError(file.path, "expected a Parquet file", got=str(error)) from None


def _read_conll(file: TableFile) -> Iterator[Row]:
    for line, tokens, tags, error in read_conll(file):
        yield Row(f"{file.path}, line {line}", {"tokens": tokens, "tags": tags}, error)


READERS: dict[str, Callable[[TableFile], Iterator[Row]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".parquet": _read_parquet,
    ".conll": _read_conll,
    ".conllu": _read_conll,
}
