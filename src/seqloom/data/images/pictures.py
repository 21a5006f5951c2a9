"""Pictures that the rows of a table name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqloom.data.tables.file_column import read_path


def picture_path(value: Any, where: object) -> Path:
    """The path in the column `file`, which is absolute in a table that was read.

    Raises:
        DataError: it is no path.
    """
    return read_path(value, where, "a picture")
