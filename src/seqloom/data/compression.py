"""Compressed files read as what they hold: `.gz`, `.bz2` and `.xz`, bounded by what they may grow to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, final

from seqloom.data.encoding import APPLE_DOUBLE
from seqloom.errors import DataError
from seqloom.stored import open_file

MAX_GROWTH = 100
"""A file may grow to this many times its size: text compresses to a tenth, a bomb to a thousandth."""
MAX_SMALL_BYTES = 64 << 20
"""Any file may grow to this."""


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


FORMATS: dict[str, Callable[[BinaryIO], AbstractContextManager[_Readable]]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, by its name.

    >>> is_compressed(Path("train.csv.GZ")), is_compressed(Path("train.csv")), is_compressed(Path("a.tar.gz"))
    (True, False, False)
    """
    return path.suffix.lower() in FORMATS and not path.stem.lower().endswith(".tar")


def content_name(path: Path) -> Path:
    """The path of a file without the suffix of its compression.

    >>> content_name(Path("data/train.csv.gz")).name, content_name(Path("data/train.csv")).name
    ('train.csv', 'train.csv')
    """
    return path.with_suffix("") if is_compressed(path) else path


def content_suffix(path: Path) -> str:
    """The suffix of what a file holds, in lower case.

    >>> content_suffix(Path("train.CSV.gz"))
    '.csv'
    """
    return content_name(path).suffix.lower()


@contextmanager
def open_content(path: Path) -> Iterator[BinaryIO]:
    """Open the content of a file, decompressed where the file is compressed.

    Raises:
        DataError: it cannot be read, is damaged, or grows beyond its limit.
    """
    with _open(path) as file:
        if not is_compressed(path):
            yield file
            return
        limit = max(MAX_SMALL_BYTES, MAX_GROWTH * path.stat().st_size)
        with FORMATS[path.suffix.lower()](file) as content:
            yield io.BufferedReader(_Bounded(content, limit, path), 1 << 16)


def _open(path: Path) -> BinaryIO:
    try:
        return open_file(path)
    except OSError as error:
        raise DataError(path, "expected a file that can be read", got=error.strerror or str(error)) from None


@final
class _Bounded(io.RawIOBase):
    """A decompressed stream that ends in an error where it becomes too long."""

    def __init__(self, content: _Readable, limit: int, path: Path) -> None:
        self.content, self.limit, self.path, self.size = content, limit, path, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes.

        Raises:
            DataError: there are too many, or the file is damaged.
        """
        try:
            data = self.content.read(len(buffer))
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            got, expected = str(error), f"expected a file compressed as {self.path.suffix}"
            raise DataError(self.path, expected, got=got, hint="Is it complete?") from None
        self.size += len(data)
        if self.size > self.limit:
            expected = f"must unpack to at most {self.limit:,} bytes, {MAX_GROWTH} times its size"
            if self.limit == MAX_SMALL_BYTES:
                expected = f"must unpack to at most {self.limit:,} bytes, since it is small"
            raise DataError(
                self.path, expected, got="more", hint="If that is as it should be, unpack it first"
            )
        buffer[: len(data)] = data
        return len(data)


def refuse_companion(path: Path) -> None:
    """Refuse a file such as `._train.csv`, which holds what macOS knows of another file.

    Raises:
        DataError: it is one.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(APPLE_DOUBLE))
    except OSError:  # whoever reads it says so
        return
    if head == APPLE_DOUBLE:
        expected, got = "expected data", "a companion file of macOS, which holds none"
        hint = f"Is it {path.name.removeprefix('._')} that you mean?"
        raise DataError(path, expected, got=got, hint=hint)


def read_head(path: Path, size: int) -> bytes:
    """The first bytes of the content of a file; empty where it is damaged."""
    try:
        with open_content(path) as content:
            return content.read(size)
    except DataError:
        return b""
