"""A file of rows: opened, decompressed, decoded."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from seqloom.data import compression
from seqloom.data.encoding import HEAD_BYTES, detect_encoding
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.errors import DataError

HEAD_CHARACTERS = 1 << 14
"""What is looked at to recognize a layout"""


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
