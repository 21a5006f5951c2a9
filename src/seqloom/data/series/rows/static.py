"""Columns that have one value a series, from a table of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from seqloom.data.options import ReadOptions
from seqloom.data.series.rows.numbers import parse_numbers
from seqloom.data.series.rows.times import is_missing
from seqloom.data.tables.formats.table import read_table
from seqloom.errors import DataError

SHOWN = 3
"""Words that a remark names"""


class StaticTable(NamedTuple):
    """One row a series."""

    columns: tuple[str, ...]
    unique_ids: Sequence[str]
    values: numpy.ndarray
    """(S, K) float64"""

    def rows_of(self, unique_ids: Sequence[str]) -> tuple[numpy.ndarray, int]:
        """The values of these series (S, K), NaN where there is none, and how many have no row."""
        numbers = {name: row for row, name in enumerate(self.unique_ids)}
        places = numpy.array([numbers.get(name, -1) for name in unique_ids], numpy.int64)
        values = numpy.full((len(places), len(self.columns)), numpy.nan)
        values[places >= 0] = self.values[places[places >= 0]]
        return values, int((places < 0).sum())

    def with_columns(self, columns: Sequence[str]) -> tuple[StaticTable, list[str]]:
        """The columns of a model, and a remark for each column that has words that training does not have.

        A word that the table lacks is a column of 0. Where a column of numbers is missing, or of words as a
        whole, the table stays as it is.
        """
        own = dict(zip(self.columns, self.values.T, strict=True))
        of_words = {name.partition("=")[0] for name in self.columns if "=" in name}
        if not all(name in own or name.partition("=")[0] in of_words for name in columns):
            return self, []
        remarks = []
        for column in sorted(of_words & {name.partition("=")[0] for name in columns}):
            new = [name for name in self.columns if name.startswith(f"{column}=") and name not in columns]
            if new:
                count, total = int(sum(own[name].sum() for name in new)), len(self.unique_ids)
                words = ", ".join(name.partition("=")[2] for name in new[:SHOWN])
                more = f" and {len(new) - SHOWN:,} more" if len(new) > SHOWN else ""
                whose = f"{count:,} of {total:,} series have words that training does not have"
                remarks.append(f"{column}: {whose}: {words}{more}")
        zeros = numpy.zeros(len(self.unique_ids))
        kept = [own.get(name, zeros) for name in columns]
        values = numpy.stack(kept, 1) if kept else numpy.zeros((len(zeros), 0))
        return StaticTable(tuple(columns), self.unique_ids, values), remarks


def read_static(table: Path, options: ReadOptions, unique_id: str) -> StaticTable:
    """Read a table with one row a series: numbers as they are, and a column of 0 and 1 for each other value.

    Args:
        table: the file.
        options: how tables are read.
        unique_id: the column that names the series.

    Raises:
        DataError: it has no such column, or two rows for a series.
    """
    own = options.model_copy(update={"columns": {}, "header": None})
    rows = []
    for row in read_table(table, own):
        if row.error is not None:
            raise row.error
        rows.append(row.fields)
    names = list(rows[0]) if rows else []
    if unique_id not in names:
        expected = f"expected a column {unique_id}, which names the series"
        raise DataError(table, expected, got=", ".join(names) or "none")
    unique_ids = [str(row.get(unique_id)) for row in rows]
    if len(set(unique_ids)) < len(unique_ids):
        twice = next(name for row, name in enumerate(unique_ids) if name in unique_ids[:row])
        raise DataError(table, "each series must have one row", got=f"{twice} twice")
    columns: dict[str, numpy.ndarray] = {}
    for name in names:
        if name == unique_id:
            continue
        values = [row.get(name) for row in rows]
        numbers, bad = parse_numbers(values)
        if not bad:
            columns[name] = numbers
            continue
        texts = ["" if is_missing(value) else str(value) for value in values]
        for value in sorted(set(filter(None, texts))):
            columns[f"{name}={value}"] = numpy.array([text == value for text in texts], numpy.float64)
    table_values = numpy.stack(list(columns.values()), 1) if columns else numpy.zeros((len(rows), 0))
    return StaticTable(tuple(columns), unique_ids, table_values)
