"""The column `file` of a table, whose values are paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqloom.errors import DataError


def read_path(value: Any, where: object, what: str) -> Path:
    """The path in the column `file`, which is absolute in a table that was read.

    Args:
        value: in the column.
        where: what an error message begins with.
        what: the path is of, as `a recording`.

    Raises:
        DataError: it is no path.
    """
    if isinstance(value, Path | str) and str(value).strip():
        return Path(value)
    got = "nothing" if value is None or isinstance(value, str) else f"{value!r:.60}"
    raise DataError(where, f"`file` must be the path of {what}", got=got)
