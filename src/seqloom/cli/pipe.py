"""Standard input in chunks of lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

CHUNK_LINES = 64
"""Lines that are answered together: a full batch, and soon enough for a pipe."""


def chunks_of_lines() -> Iterator[list[str]]:
    """Lines of standard input without their ends: some at a time from a pipe, one at a time from a person."""
    size = 1 if sys.stdin.isatty() else CHUNK_LINES
    while chunk := list(islice(sys.stdin, size)):
        yield [line.rstrip("\r\n") for line in chunk]
