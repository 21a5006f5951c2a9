"""What a person should know of tables beside their rows: files that no row names, and rows in two splits."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from seqloom.data.folders import DataFiles

FieldsBySplit: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]


def find_referenced(fields: FieldsBySplit, data_files: DataFiles) -> list[Path]:
    """The files of a folder that rows name in their column `file`."""
    named = {str(row["file"]) for rows in fields.values() for row in rows if "file" in row}
    return [file for file in data_files.files if os.path.realpath(file) in named] if named else []


def describe_duplicates(fields: FieldsBySplit) -> list[str]:
    """One message for each split with rows that training has too.

    >>> describe_duplicates({"train": [{"text": "a"}, {"text": "b"}], "test": [{"text": "b"}, {"text": "c"}]})
    ['1 of 2 rows of test is in train too']
    """
    held_out = {split: Counter(map(_row_key, rows)) for split, rows in fields.items() if split != "train"}
    all_held_out = frozenset().union(*held_out.values())
    trained = all_held_out.intersection(map(_row_key, fields["train"]))
    remarks = []
    for split, rows in held_out.items():
        count = sum(rows[key] for key in trained if key in rows)
        if count:
            verb = "is" if count == 1 else "are"
            remarks.append(f"{count:,} of {rows.total():,} rows of {split} {verb} in train too")
    return remarks


def _row_key(fields: Mapping[str, Any]) -> Hashable:
    return tuple((name, _hashable(fields[name])) for name in sorted(fields))


def _hashable(value: Any) -> Hashable:
    """A value of a table, in which lists and objects may be nested, as something that a set can hold."""
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return tuple((name, _hashable(value[name])) for name in sorted(value))
    return value if isinstance(value, Hashable) else repr(value)
