"""What a person should know of tables beside their rows: files that no row names, and rows in two splits."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Hashable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, final

import numpy

from seqloom.data.folders import DataFiles


def find_referenced(names: frozenset[str], data_files: DataFiles) -> list[Path]:
    """The files of a folder that rows name in their column `file`, by `names`."""
    return [file for file in data_files.files if os.path.realpath(file) in names] if names else []


@final
class RowHashes:
    """A 64-bit hash of every row of a split: equal rows have equal hashes, in this process."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._selectors: dict[tuple[str, ...], Callable[[Mapping[str, Any]], Any]] = {}

    def add(self, fields: Mapping[str, Any]) -> None:
        """Hash a row; the order of its columns does not matter."""
        names = tuple(fields)
        if names not in self._selectors:
            ordered = sorted(names)
            selector = itemgetter(*ordered) if ordered else len
            self._selectors[names] = lambda row: (*ordered, selector(row))
        values = self._selectors[names](fields)
        try:
            self._hashes.append(hash(values))
        except TypeError:
            self._hashes.append(hash(_hashable(values)))

    def to_array(self) -> numpy.ndarray:
        """The hashes (N,) int64."""
        return numpy.frombuffer(self._hashes, dtype=numpy.int64)


def describe_duplicates(hashes: Mapping[str, numpy.ndarray]) -> list[str]:
    """One message for each split with rows that training has too.

    Args:
        hashes: a hash of every row (N,), by split.

    >>> describe_duplicates({"train": numpy.array([1, 2]), "test": numpy.array([2, 3])})
    ['1 of 2 rows of test is in train too']
    """
    remarks = []
    for split, rows in hashes.items():
        if split == "train" or not len(rows):
            continue
        distinct = numpy.unique(rows)
        places = numpy.searchsorted(distinct, hashes["train"]).clip(max=len(distinct) - 1)
        in_both = distinct[numpy.unique(places[distinct[places] == hashes["train"]])]
        count = int(numpy.isin(rows, in_both).sum())
        if count:
            verb = "is" if count == 1 else "are"
            remarks.append(f"{count:,} of {len(rows):,} rows of {split} {verb} in train too")
    return remarks


def _hashable(value: Any) -> Hashable:
    """A value of a table, in which lists and objects may be nested, as something that a set can hold."""
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return tuple((name, _hashable(value[name])) for name in sorted(value))
    return value if isinstance(value, Hashable) else repr(value)
