"""Bytes to text: UTF-8, or UTF-16 and UTF-32 by their mark. Lines end at LF or CRLF, nowhere else."""

from __future__ import annotations

import codecs
import shlex

from seqloom.errors import DataError

BYTE_ORDER_MARK = "\ufeff"
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
COMPRESSED = (
    (b"\x1f\x8b", "gzip", "gz"),
    (b"BZh", "bzip2", "bz2"),
    (b"\xfd7zXZ", "xz", "xz"),
    (b"PK\x03\x04", "zip", ""),
)
APPLE_DOUBLE = b"\x00\x05\x16\x07"
HEAD_BYTES = 8


def detect_encoding(head: bytes) -> str:
    """The encoding of a text by its first bytes: `utf-16` or `utf-32` by their mark, else `utf-8-sig`.

    >>> detect_encoding("text".encode("utf-16")), detect_encoding(b"text")
    ('utf-16', 'utf-8-sig')
    """
    return next((name for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), "utf-8-sig")


def split_lines(text: str) -> list[str]:
    r"""Lines without their ends; `str.splitlines` also cuts at form feeds, U+2028 and others.

    >>> split_lines("one\x0cstill one\r\n\ntwo\n")
    ['one\x0cstill one', '', 'two']
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def check_encodable(text: str, where: object) -> str:
    """A text from the command line, without a byte order mark at its head.

    Raises:
        DataError: its bytes were not UTF-8, which Python marks by surrogates.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        character = ord(text[error.start])
        got = f"byte 0x{character - 0xDC00:02x}" if 0xDC80 <= character <= 0xDCFF else f"U+{character:04X}"
        raise DataError(where, "the text must be UTF-8", got=got) from None
    return text.removeprefix(BYTE_ORDER_MARK)


def encoding_error(where: object, expected: str, error: UnicodeError, head: bytes, name: str) -> DataError:
    """What to say of bytes that are not UTF-8, with a hint that fits them.

    Args:
        where: the file, and the place in it.
        expected: for example `the table must be UTF-8`.
        error: what decoding raised.
        head: the first bytes of the file.
        name: of the file.
    """
    got = str(error)
    if isinstance(error, UnicodeDecodeError):
        got = f"byte 0x{error.object[error.start]:02x} ({error.reason})"
    return DataError(where, expected, got=got, hint=_hint(head, name))


def _hint(head: bytes, name: str) -> str:
    for magic, program, suffix in COMPRESSED:
        if head.startswith(magic):
            return f"It is compressed by {program}: unpack it" + (
                f", or add .{suffix} to its name" if suffix else " first"
            )
    if head.startswith(APPLE_DOUBLE):
        return "It is a companion file of macOS and holds no text"
    encoding = detect_encoding(head)
    source = "WINDOWS-1252" if encoding == "utf-8-sig" else encoding.upper()
    if not name:
        return f"Convert it, as with: iconv -f {source} -t UTF-8"
    source_file, target = shlex.quote(name), shlex.quote(f"utf8-{name}")
    convert = f"iconv -f {source} -t UTF-8 {source_file} > {target}"
    if encoding != "utf-8-sig":
        return f"Convert it, as with: {convert}"
    return f"Name its encoding, as in --set data.encoding=cp1252. Convert it, as with: {convert}"
