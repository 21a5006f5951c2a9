"""MATLAB's `.mat` files, versions 5 to 7: matrices of numbers, and cell arrays of them.

Every length is checked before it is used: scipy's reader can end the process on a damaged file. The format is
that of 'MAT-File Format', MathWorks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import TypeAlias, final

import numpy

from seqloom.errors import DataError

EXPECTED = "expected a .mat file"
HEADER_BYTES = 128
MATRIX, COMPRESSED, CELL = 14, 15, 1
CLASSES = {2: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix", 16: "a function"}
"""Classes of arrays that are no numbers"""
NUMERIC = range(6, 16)
COMPLEX = 0x0800
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers are stored, whatever their class"""
MAX_DEPTH = 2

Value: TypeAlias = "numpy.ndarray | list[Value] | DataError"
"""A matrix, the cells of an array, or why it is none of these"""


def read_mat(data: bytes, where: object, limit: int) -> dict[str, Value]:
    """Read the variables of a file.

    Args:
        data: the whole file.
        where: its name, for messages.
        limit: bytes that compressed variables may have together.

    Raises:
        DataError: it is no such file, is damaged, or grows too much.
    """
    if len(data) < HEADER_BYTES or data[126:128] not in (b"IM", b"MI"):
        is_hdf5 = data[:4] == b"\x89HDF" or data.startswith(b"MATLAB 7.3")
        got = "version 7.3" if is_hdf5 else "something else"
        raise DataError(where, f"{EXPECTED} of version 5 to 7", got=got, hint="Save it with -v7")
    reader = _Reader(where, "<" if data[126:128] == b"IM" else ">", limit)
    return dict(reader.variables(memoryview(data)[HEADER_BYTES:]))


@final
class _Reader:
    def __init__(self, where: object, order: str, limit: int) -> None:
        self.where, self.order, self.left = where, order, limit

    def variables(self, data: memoryview) -> Iterator[tuple[str, Value]]:
        for kind, content in self.elements(data):
            inner = self.elements(self.decompress(content)) if kind == COMPRESSED else [(kind, content)]
            for inner_kind, matrix in inner:
                if inner_kind == MATRIX:
                    name, value = self.matrix(matrix, depth=0)
                    if name:  # others are MATLAB's own
                        yield name, value

    def elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """The type and the content of each element."""
        position = 0
        while position < len(data):
            kind, size = self.words(data[position : position + 8], 2)
            start = position + 8
            if kind >> 16:  # a small element has its size and its content in its tag
                size, kind, start = kind >> 16, kind & 0xFFFF, position + 4
                if size > 4:
                    raise self.damaged(f"a small element of {size} bytes")
            if start + size > len(data):
                raise self.damaged("the end of the file within an element")
            yield kind, data[start : start + size]
            position = start + size
            if kind != COMPRESSED:
                position += -position % 8

    def matrix(self, data: memoryview, depth: int) -> tuple[str, Value]:
        """The name of an array, and its value."""
        if not len(data):
            return "", numpy.zeros((0, 0))
        parts = self.elements(data)
        flags = self.words(self.part(parts), 1)[0]
        sizes = self.part(parts)
        shape = [int(size) for size in numpy.frombuffer(sizes[: len(sizes) // 4 * 4], f"{self.order}i4")]
        name = bytes(self.part(parts)).decode("latin-1")
        if len(shape) < 2 or min(shape) < 0:
            raise self.damaged(f"the shape {tuple(shape)}")
        array_class = flags & 0xFF
        if array_class == CELL and depth < MAX_DEPTH:
            return name, [self.matrix(content, depth + 1)[1] for kind, content in parts if kind == MATRIX]
        if array_class not in NUMERIC or flags & COMPLEX:
            got = CLASSES.get(array_class, "cells in cells" if array_class == CELL else "complex numbers")
            return name, DataError(f"{self.where}, {name}", "expected matrices of numbers", got=got)
        return name, self.numbers(parts, shape)

    def numbers(self, parts: Iterator[tuple[int, memoryview]], shape: list[int]) -> numpy.ndarray:
        """The content of a matrix, by columns."""
        kind, content = next(parts, (0, memoryview(b"")))
        count = 1
        for size in shape:
            count *= size
        if count == 0:
            return numpy.zeros(shape)
        if kind not in TYPES:
            raise self.damaged(f"numbers of type {kind}")
        dtype = numpy.dtype(f"{self.order}{TYPES[kind]}")
        if count * dtype.itemsize != len(content):
            raise self.damaged(f"{len(content):,} bytes for {count:,} numbers")
        return numpy.frombuffer(content, dtype).reshape(shape, order="F")

    def part(self, parts: Iterator[tuple[int, memoryview]]) -> memoryview:
        """The content of the next element."""
        for _, content in parts:
            return content
        raise self.damaged("the end of an array")

    def words(self, data: memoryview, count: int) -> tuple[int, ...]:
        """Unsigned numbers of four bytes."""
        if len(data) < 4 * count:
            raise self.damaged("the end of the file")
        return struct.unpack(f"{self.order}{count}I", data[: 4 * count])

    def decompress(self, data: memoryview) -> memoryview:
        """The content of a compressed element, which is an element."""
        stream = zlib.decompressobj()
        try:
            content = stream.decompress(data, self.left + 1)
        except zlib.error as error:
            raise self.damaged(str(error)) from None
        self.left -= len(content)
        if self.left < 0:
            raise DataError(self.where, "must unpack to at most 100 times its size, or 64 MiB", got="more")
        return memoryview(content)

    def damaged(self, got: str) -> DataError:
        return DataError(self.where, EXPECTED, got=got, hint="Is it complete?")
