"""What two splits are compared by: the inputs of rows, the lines of a text, the content of files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy

from seqloom.data.music.rolls.roll import RawRoll
from seqloom.data.text.corpus import TextCorpus, read_chunks
from seqloom.errors import DataError
from seqloom.inspection.checks.finding import NotApplicableError
from seqloom.stored import open_file

MIN_LINE, MAX_LINE = 40, 200
"""Characters of a line of a text: shorter ones repeat by themselves, longer ones are compared in parts"""
END_BYTES = 1 << 16
"""Of a file at either end, by which and by its size it is compared"""


def read_pieces(data: Any, split: str, column: str) -> Iterator[str | bytes]:
    """The inputs of a split, one after the other: texts, or hashes of what is no text.

    Args:
        data: as the task divides it.
        split: its name.
        column: of rows that have several: the input.

    Raises:
        NotApplicableError: the splits of this kind of data cannot be compared.
    """
    if isinstance(data, TextCorpus):
        yield from _lines(data, split)
        return
    examples = getattr(data, "examples", None)
    if examples is None:
        raise NotApplicableError("its splits are times of the same series, one after the other")
    for example in examples(split):
        if (piece := _piece_of(example.fields.get(column))) is not None:
            yield piece


def _lines(data: TextCorpus, split: str) -> Iterator[str]:
    for chunk in read_chunks(data.splits[split]):
        for line in chunk.splitlines():
            text = line.strip()
            parts = [text[start : start + MAX_LINE] for start in range(0, len(text), MAX_LINE)]
            yield from (part for part in parts if len(part) >= MIN_LINE)


def _piece_of(value: Any) -> str | bytes | None:
    if isinstance(value, str):
        return value
    if isinstance(value, Path):
        return _hash_file(value)
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    try:
        array = numpy.ascontiguousarray(value.check().frames if isinstance(value, RawRoll) else value)
    except DataError:  # said when it is read for a model
        return None
    except ValueError:  # rows of unequal lengths
        return repr(value).encode()
    if array.dtype == object:
        return None if value is None else repr(value).encode()
    return hashlib.sha256(str(array.shape).encode() + array.tobytes()).digest()


def _hash_file(path: Path) -> bytes | None:
    """Of its size and its ends; of a picture in a file of many, of that picture."""
    from seqloom.data.images.idx import read_idx_picture, split_reference

    container, number = split_reference(path)
    try:
        if number is not None and _is_idx(container):
            return hashlib.sha256(read_idx_picture(container, number).tobytes()).digest()
        size = path.stat().st_size
        with open_file(path) as file:
            ends = file.read(END_BYTES)
            file.seek(max(size - END_BYTES, len(ends)))
            ends += file.read(END_BYTES)
    except OSError:
        return None
    return hashlib.sha256(str(size).encode() + ends).digest()


@lru_cache(maxsize=8)
def _is_idx(path: Path) -> bool:
    from seqloom.data.images.idx import is_idx_images

    return is_idx_images(path)
