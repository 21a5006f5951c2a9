"""Files of piano rolls: `.mat`, `.npz` and `.json`. Nothing is ever unpickled.

A file has one roll, several, or several for each split, by names such as `train`, `traindata` or `valid_7`.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from seqloom.data.compression import (
    MAX_GROWTH,
    MAX_SMALL_BYTES,
    content_suffix,
    open_content,
    read_head,
)
from seqloom.data.music.rolls.mat import read_mat
from seqloom.data.music.rolls.roll import RawRoll, check_frames, frames_of_numbers
from seqloom.data.splits import NAMES
from seqloom.errors import DataError

SPLIT_OF_NAME = re.compile(rf"({'|'.join(NAMES)})(data)?(?![a-z])")
"""`traindata`, `valid`, `test_12`: the names of variables and keys that belong to a split"""
NESTED_LISTS = re.compile(rb'\s*(\{\s*"[^"\\]{1,40}"\s*:\s*)?\[\s*(\[\s*(\[|[-\d]|\])|\])')
"""How JSON begins that is no table: lists of lists"""
HEAD_BYTES = 256


class NamedRoll(NamedTuple):
    """A roll of a file, and the split that its name says, if any."""

    roll: RawRoll
    split: str | None


def read_file(path: Path) -> list[NamedRoll]:
    """The rolls of a file.

    Raises:
        DataError: it is damaged, or holds something else.
    """
    try:
        with open_content(path) as content:
            data = content.read()
    except OSError as error:
        raise DataError(path, "expected a file that can be read", got=error.strerror or str(error)) from None
    if not data:
        raise DataError(path, "expected piano rolls", got="an empty file")
    rolls = list(READERS[content_suffix(path)](path, data))
    if not rolls:
        raise DataError(path, "expected piano rolls", got="none")
    return rolls


def holds_rolls(path: Path) -> bool:
    """Whether a file has piano rolls, by its name; JSON, by its first bytes."""
    suffix = content_suffix(path)
    return suffix in (".mat", ".npz") or (
        suffix == ".json" and NESTED_LISTS.match(read_head(path, HEAD_BYTES)) is not None
    )


def _read_mat(path: Path, data: bytes) -> Iterator[NamedRoll]:
    """Variables of MATLAB: a matrix is a roll, a cell array has one in each cell."""
    for name, value in read_mat(data, path, _limit(data)).items():
        cells = value if isinstance(value, list) else [value]
        for number, cell in enumerate(cells, 1):
            place = f"{path}, {name} {number}" if isinstance(value, list) else f"{path}, {name}"
            convert = refuse if isinstance(cell, DataError) else check_frames
            yield NamedRoll(RawRoll(place, cell, convert), _split_of(name))


def _read_npz(path: Path, data: bytes) -> Iterator[NamedRoll]:
    """Arrays of NumPy: (steps, 88) is a roll, (rolls, steps, 88) several."""
    limit = _limit(data)
    expected = "expected a .npz file of arrays of numbers"
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > limit:
            raise DataError(path, f"must unpack to at most {limit:,} bytes", got=f"{size:,}")
        with numpy.load(BytesIO(data), allow_pickle=False) as arrays:
            variables = {name: arrays[name] for name in arrays.files}
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have errors of their own
        is_object = "allow_pickle" in str(error)
        got = "Python objects, which are never unpickled" if is_object else f"{type(error).__name__}: {error}"
        hint = "Save one array for each roll" if is_object else ""
        raise DataError(path, expected, got=f"{got:.200}", hint=hint) from None
    for name, value in variables.items():
        yield from _rolls_of_array(path, name, value)


def _rolls_of_array(path: Path, name: str, value: numpy.ndarray) -> Iterator[NamedRoll]:
    split = _split_of(name)
    if value.ndim != 3:
        yield NamedRoll(RawRoll(f"{path}, {name}", value, check_frames), split)
        return
    for number, cell in enumerate(value, 1):
        yield NamedRoll(RawRoll(f"{path}, {name} {number}", cell, check_frames), split)


def _read_json(path: Path, data: bytes) -> Iterator[NamedRoll]:
    """Lists of the MIDI numbers of each step: one roll, a list of rolls, or a list for each split."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        got = f"{error}"
        raise DataError(path, "expected JSON", got=f"{got:.200}", hint="Is the file complete?") from None
    for name, rolls in value.items() if isinstance(value, dict) else [("", value)]:
        place = f"{path}, {name}" if name else str(path)
        if not isinstance(rolls, list):
            raise DataError(place, "expected a list of rolls", got=f"{rolls!r:.60}")
        split = _split_of(name)
        if _depth(rolls) < 3:
            yield NamedRoll(RawRoll(place, rolls, frames_of_numbers), split)
            continue
        for number, roll in enumerate(rolls, 1):
            where = f"{place} {number}" if name else f"{path}, roll {number}"
            yield NamedRoll(RawRoll(where, roll, frames_of_numbers), split)


def refuse(error: DataError, _: object) -> numpy.ndarray:
    """The conversion of what was found to be no roll: it raises why."""
    raise error


def _limit(data: bytes) -> int:
    """Bytes that a file may unpack to."""
    return max(MAX_SMALL_BYTES, MAX_GROWTH * len(data))


def _depth(value: Any) -> int:
    """How deep lists are nested, by the first one that is not empty."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return 0
    return 1 + max(map(_depth, value[:100]), default=0)


def _split_of(name: str) -> str | None:
    """The split that a variable or key is named after.

    >>> [_split_of(name) for name in ("traindata", "valid_3", "test", "trainer", "roll")]
    ['train', 'validation', 'test', None, None]
    """
    match = SPLIT_OF_NAME.match(name.lower())
    return NAMES[match[1]] if match else None


READERS: dict[str, Callable[[Path, bytes], Iterator[NamedRoll]]] = {
    ".mat": _read_mat,
    ".npz": _read_npz,
    ".json": _read_json,
}
