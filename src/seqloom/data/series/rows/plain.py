"""Clean tables by Arrow, much faster than row by row; what is not clean is for the reader that says why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from seqloom.data import compression
from seqloom.data.options import ReadOptions
from seqloom.data.series.rows.columns import Roles
from seqloom.data.series.rows.times import MISSING
from seqloom.data.tables.formats.delimited import find_separator
from seqloom.data.tables.formats.file import TableFile

BLOCK_BYTES = 4 << 20
NULLS = sorted({spelling for name in MISSING for spelling in (name, name.upper(), name.title())} | {"NaN"})


class NotPlainError(Exception):
    """A table has something that must be looked at: a mistake, or a spelling that Arrow does not know."""


class PlainBatch(NamedTuple):
    """Some rows of a table."""

    names: list[str]
    """Of the series that are in them"""
    numbers: numpy.ndarray
    """(n,) int64: of each row's series among `names`"""
    times: numpy.ndarray | None
    """(n,) int64; None where rows are steps"""
    values: numpy.ndarray
    """(n, C) float64, NaN where there is nothing; of categories the numbers of their spellings"""
    spellings: list[list[Any]]
    """Of each column of categories, as the table has them"""


def read_plain(
    table: Path, options: ReadOptions, roles: Roles, columns: Sequence[str]
) -> Iterator[PlainBatch]:
    """Read a table by its columns.

    Args:
        table: the file.
        options: how it is read.
        roles: what its columns are.
        columns: those that it has, in order.

    Raises:
        NotPlainError: it is not clean.
    """
    import pyarrow

    suffix = compression.content_suffix(table)
    needed = [*filter(None, [roles.unique_id]), *roles.ds]
    needed += [name for name in (*roles.numbers, *roles.categories) if name in columns]
    is_known = roles.form.kind in ("iso", "integer") and len(roles.ds) <= 1
    if not is_known or not set(needed) <= set(columns) or suffix not in (".csv", ".tsv", ".parquet"):
        raise NotPlainError
    batches = _read_parquet if suffix == ".parquet" else _read_delimited
    try:
        with batches(table, options, roles, needed, columns) as rows:
            for batch in rows:
                yield _convert(batch, roles)
    except (pyarrow.ArrowException, UnicodeError):
        raise NotPlainError from None


@contextmanager
def _read_delimited(
    table: Path, options: ReadOptions, roles: Roles, needed: Sequence[str], columns: Sequence[str]
) -> Iterator[Any]:
    import pyarrow
    from pyarrow import csv

    file = TableFile(table, options)
    if file.encoding not in ("utf-8", "utf-8-sig"):
        raise NotPlainError
    separator = find_separator(file, "\t" if compression.content_suffix(table) == ".tsv" else ",")
    types = dict.fromkeys(roles.numbers, pyarrow.float64())
    for name in (*filter(None, [roles.unique_id]), *roles.categories):
        types[name] = pyarrow.string()
    if roles.ds:
        types[roles.ds[0]] = pyarrow.timestamp("us") if roles.form.has_dates else pyarrow.int64()
    with compression.open_content(table) as content:
        reader = csv.open_csv(
            content,
            csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                skip_rows=0 if options.header is False else 1,
                column_names=list(columns),
            ),
            csv.ParseOptions(delimiter=separator, quote_char=False if separator == "\t" else '"'),
            csv.ConvertOptions(
                column_types=types, include_columns=list(needed), null_values=NULLS, strings_can_be_null=False
            ),
        )
        with reader:
            yield reader


@contextmanager
def _read_parquet(
    table: Path, options: ReadOptions, roles: Roles, needed: Sequence[str], columns: Sequence[str]
) -> Iterator[Any]:
    del options, roles, columns
    from pyarrow import parquet

    with table.open("rb") as content:
        yield parquet.ParquetFile(content).iter_batches(columns=list(needed))


def _convert(batch: Any, roles: Roles) -> PlainBatch:
    import pyarrow

    size, names = batch.num_rows, [""]
    numbers = numpy.zeros(size, numpy.int64)
    if roles.unique_id is not None:
        encoded = batch.column(roles.unique_id).cast(pyarrow.string()).dictionary_encode()
        if encoded.null_count:
            raise NotPlainError
        names, numbers = encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(numpy.int64)
    times = None
    if roles.ds:
        column = batch.column(roles.ds[0])
        if roles.form.has_dates:
            column = column.cast(pyarrow.timestamp("us"))
        elif not pyarrow.types.is_integer(column.type):
            raise NotPlainError
        if column.null_count:
            raise NotPlainError
        times = column.cast(pyarrow.int64()).to_numpy(zero_copy_only=False)
    values = numpy.full((size, len(roles.numbers) + len(roles.categories)), numpy.nan)
    for place, name in enumerate(roles.numbers):
        if name in batch.schema.names:
            column = batch.column(name).cast(pyarrow.float64())
            values[:, place] = column.to_numpy(zero_copy_only=False)  # null becomes NaN
    if numpy.isinf(values).any():
        raise NotPlainError
    spellings: list[list[Any]] = [[] for _ in roles.categories]
    for place, name in enumerate(roles.categories):
        if name in batch.schema.names:
            encoded = batch.column(name).dictionary_encode()
            spellings[place] = encoded.dictionary.to_pylist()
            codes = encoded.indices.cast(pyarrow.float64())
            values[:, len(roles.numbers) + place] = codes.to_numpy(zero_copy_only=False)
    return PlainBatch(names, numbers, times, values, spellings)
