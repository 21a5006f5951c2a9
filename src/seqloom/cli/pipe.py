"""Standard input: UTF-8, whatever the locale, in chunks of lines or as a whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

from seqloom.data.encoding import BYTE_ORDER_MARK, HEAD_BYTES, encoding_error

CHUNK_LINES = 64
"""Lines that are answered together: a full batch, and soon enough for a pipe."""


def chunks_of_lines() -> Iterator[list[str]]:
    """Lines of standard input without their ends: some at a time from a pipe, one at a time from a person.

    Raises:
        DataError: a line is not UTF-8.
    """
    size = 1 if sys.stdin.isatty() else CHUNK_LINES
    lines = _lines()
    while chunk := list(islice(lines, size)):
        yield chunk


def read_all() -> str:
    """Standard input as one text, whose lines end at LF; without the last line end.

    Raises:
        DataError: it is not UTF-8.
    """
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    head = b""
    for number, raw in enumerate(_raw_lines(), 1):
        head = head or raw[:HEAD_BYTES]
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            where = f"standard input, line {number}"
            raise encoding_error(where, "the text must be UTF-8", error, head, "") from None
        if number == 1:
            line = line.removeprefix(BYTE_ORDER_MARK)
        yield line.removesuffix("\n").removesuffix("\r")


def _raw_lines() -> Iterator[bytes]:
    """Lines that end at LF only, which text mode does not give."""
    buffer = getattr(sys.stdin, "buffer", None)
    return iter(buffer) if buffer is not None else (line.encode() for line in sys.stdin)
