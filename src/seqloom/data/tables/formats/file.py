"""A file of rows: opened, decompressed, decoded."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TextIO, TypeVar

from seqloom.data import compression
from seqloom.data.encoding import HEAD_BYTES, detect_encoding
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.errors import DataError

HEAD_CHARACTERS = 1 << 14
"""What is looked at to recognize a layout"""
MAX_CHARACTERS = 1 << 23
"""Of a text in a row; a longer one makes the row a bad one"""
MAX_LINE = 1 << 26
"""Characters or bytes of a line; a longer one is passed over"""
TOO_LONG = f"a line must have at most {MAX_LINE:,} characters"

AnyText = TypeVar("AnyText", str, bytes)


def bounded_lines(file: IO[AnyText], most: int = MAX_LINE) -> Iterator[AnyText | None]:
    """The lines of a file, with their ends; None for one that is too long, which is never in memory.

    >>> list(bounded_lines(io.StringIO("ab\\nabcdefgh\\nc"), most=4))
    ['ab\\n', None, 'c']
    """
    while line := file.readline(most + 1):
        if len(line) <= most or _is_ended(line):
            yield line
            continue
        while (rest := file.readline(most)) and not _is_ended(rest):
            pass
        yield None


def _is_ended(line: str | bytes) -> bool:
    return line.endswith("\n") if isinstance(line, str) else line.endswith(b"\n")


def check_lengths(row: Row) -> Row:
    """A row, or the error that one of its texts is too long."""
    for column, value in row.fields.items():
        if type(value) is str and len(value) > MAX_CHARACTERS:
            expected = f"`{column:.60}` must have at most {MAX_CHARACTERS:,} characters"
            return Row(row.place, {}, DataError(row.place, expected, got=f"{len(value):,}"))
    return row


class Row(NamedTuple):
    """A row of a table, or the error that makes it unusable."""

    place: str
    """For example `train.csv, line 3`"""
    fields: dict[str, Any]
    error: DataError | None = None


class TableFile(NamedTuple):
    """A table on disk."""

    path: Path
    options: ReadOptions = READ_DEFAULTS
    note: Callable[[str], object] = str
    """Called with what was recognized, a line each"""

    @property
    def encoding(self) -> str:
        """As set, or else by the first bytes."""
        head = compression.read_head(self.path, HEAD_BYTES)
        detected, chosen = detect_encoding(head), self.options.encoding
        if chosen is None or codecs.lookup(chosen).name == "utf-8" or detected != "utf-8-sig":
            return detected
        return chosen

    @contextmanager
    def open_text(self) -> Iterator[TextIO]:
        """The text of the file, whose lines end at LF or CRLF, nowhere else."""
        with compression.open_content(self.path) as content:
            yield io.TextIOWrapper(content, encoding=self.encoding, newline="\n")

    def first_lines(self) -> list[str]:
        """The first lines, the last of which may be cut; empty where they cannot be read."""
        head = compression.read_head(self.path, 4 * HEAD_CHARACTERS)
        text = head.decode(self.encoding, errors="replace").removeprefix("\ufeff")[:HEAD_CHARACTERS]
        return [line.removesuffix("\r") for line in text.split("\n")]
