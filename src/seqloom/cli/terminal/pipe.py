"""Standard input: UTF-8 whatever the locale, or UTF-16 by its mark, in chunks of lines or as a whole."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from itertools import chain, islice

from seqloom.data.encoding import BYTE_ORDER_MARK, HEAD_BYTES, detect_encoding, encoding_error

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
    raw_lines = _raw_lines()
    first = next(raw_lines, b"")
    head, raw_lines = first[:HEAD_BYTES], chain([first] if first else [], raw_lines)
    encoding = detect_encoding(head)
    lines = _decode_lines(raw_lines) if encoding == "utf-8-sig" else _recode_lines(raw_lines, encoding)
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            yield line.removeprefix(BYTE_ORDER_MARK if number == 1 else "").removesuffix("\r")
    except UnicodeDecodeError as error:
        where = f"standard input, line {number + 1}"
        raise encoding_error(where, "the text must be UTF-8", error, head, "") from None


def _decode_lines(raw_lines: Iterator[bytes]) -> Iterator[str]:
    return (raw.decode("utf-8").removesuffix("\n") for raw in raw_lines)


def _recode_lines(chunks: Iterator[bytes], encoding: str) -> Iterator[str]:
    """The lines of UTF-16 or UTF-32, in which the byte of a line feed is no end of a line."""
    decoder = codecs.getincrementaldecoder(encoding)()
    pending = ""
    for chunk in chain(chunks, [b""]):
        *lines, pending = (pending + decoder.decode(chunk, final=not chunk)).split("\n")
        yield from lines
    if pending:
        yield pending


def _raw_lines() -> Iterator[bytes]:
    """Lines that end at LF only, which text mode does not give."""
    buffer = getattr(sys.stdin, "buffer", None)
    return iter(buffer) if buffer is not None else (line.encode() for line in sys.stdin)
