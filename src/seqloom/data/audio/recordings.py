"""Recordings that the rows of a table name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqloom.data.audio.files import read_audio
from seqloom.data.tables.records import Example, Records, encode_first
from seqloom.errors import DataError


def recording_path(value: Any, where: object, noun: str = "recording") -> Path:
    """The path in the column `file`, which is absolute in a table that was read.

    Args:
        value: what is there.
        where: what a message begins with.
        noun: what is expected.

    Raises:
        DataError: it is no path.
    """
    if isinstance(value, Path | str) and str(value).strip():
        return Path(value)
    got = "nothing" if value is None or isinstance(value, str) else f"{value!r:.60}"
    raise DataError(where, f"`file` must be the path of a {noun}", got=got)


def first_sample_rate(data: Records) -> int:
    """The sample rate in Hz of the first training recording that can be read.

    Raises:
        DataError: none can be read; or, where `data.strict`, one cannot.
    """

    def read_rate(example: Example) -> int:
        path = recording_path(example.fields.get("file"), example.place)
        return read_audio(path, where=example.place).sample_rate_hz

    return encode_first(data, read_rate)
