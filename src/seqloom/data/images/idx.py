"""idx files, as MNIST comes in them: arrays of numbers behind a header, compressed or not.

Four bytes say the type and the number of dimensions, four for each dimension its size, most significant first
(yann.lecun.com/exdb/mnist). Those of pictures have three dimensions, those of labels one.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy

from seqloom.data.cache import cached_folder
from seqloom.data.compression import MAX_GROWTH, MAX_SMALL_BYTES, content_name, is_compressed, open_content
from seqloom.errors import DataError

UNSIGNED_BYTE = 8
NAME = re.compile(
    r"^(?P<split>.*?)[-_.]?(?P<content>images|labels)[-_.]?idx(?P<dimensions>[13])[-_.]ubyte$", re.I
)
REFERENCE = re.compile(r"^(?P<name>.*idx3[-_.]ubyte(\.(gz|bz2|xz))?)#(?P<number>\d+)$", re.I)
TEST_NAMES = ("t10k",)
"""What MNIST calls its test split"""
BLOCK_BYTES = 1 << 22


class IdxPair(NamedTuple):
    """The pictures and the labels of a split, `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`."""

    images: Path
    labels: Path

    @property
    def is_test(self) -> bool:
        """Whether it is MNIST's test split, which has a name of its own."""
        match = NAME.match(content_name(self.images).name)
        return match is not None and match["split"].lower() in TEST_NAMES


def find_idx_pairs(files: Iterable[Path]) -> list[IdxPair]:
    """Those of `files` that are the pictures and the labels of a split.

    >>> names = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", "notes.txt"]
    >>> find_idx_pairs([Path(name) for name in names])[0].labels.name
    'train-labels-idx1-ubyte'
    """
    labels: dict[tuple[Path, str], Path] = {}
    images: dict[tuple[Path, str], Path] = {}
    for file in files:
        match = NAME.match(content_name(file).name)
        if match:
            parts = images if match["content"].lower() == "images" else labels
            parts.setdefault((file.parent, match["split"].lower()), file)
    return [IdxPair(path, labels[key]) for key, path in sorted(images.items()) if key in labels]


def refer(images: Path, number: int) -> Path:
    """The path that stands for a picture of an idx file.

    >>> split_reference(refer(Path("t10k-images-idx3-ubyte.gz"), 17))
    (PosixPath('t10k-images-idx3-ubyte.gz'), 17)
    """
    return images.with_name(f"{images.name}#{number}")


def split_reference(path: Path) -> tuple[Path, int | None]:
    """The idx file and the number of a picture in it; the path itself and None for any other file."""
    match = REFERENCE.match(path.name)
    return (path, None) if match is None else (path.with_name(match["name"]), int(match["number"]))


def is_idx_images(path: Path) -> bool:
    """Whether a file, by its name, is an idx file of pictures."""
    match = NAME.match(content_name(path).name)
    return match is not None and match["content"].lower() == "images"


def count_pictures(images: Path) -> int:
    """How many pictures an idx file holds, by its header.

    Raises:
        DataError: it cannot be read.
    """
    with open_content(images) as file:
        return _read_header(images, file, 3)[0]


def read_idx_labels(path: Path) -> Iterator[int]:
    """The labels of an idx file, one after the other.

    Raises:
        DataError: it cannot be read, or has not as many as its header says.
    """
    with open_content(path) as file:
        (count,) = _read_header(path, file, 1)
        yield from b"".join(_read_content(path, file, count))


def read_idx_picture(images: Path, number: int, where: object = None) -> numpy.ndarray:
    """A picture of an idx file, (H, W) uint8.

    Raises:
        DataError: the file cannot be read, or has no picture of this number.
    """
    if not images.is_file():
        raise DataError(
            where or images, "expected an idx file", got="no such file", hint=f"Its path is {images}"
        )
    pictures = _pictures(images, images.stat().st_mtime_ns)
    if number >= len(pictures):
        raise DataError(where or images, f"expected a picture below {len(pictures):,}", got=number)
    return numpy.array(pictures[number])


@lru_cache(maxsize=8)
def _pictures(images: Path, changed: int) -> numpy.ndarray:
    """The pictures (N, H, W) of an idx file, memory-mapped; of a compressed one, from the cache."""
    del changed  # it is here so that a file that was replaced is read again
    with open_content(images) as file:
        shape = _read_header(images, file, 3)
        if not is_compressed(images):
            return numpy.memmap(images, numpy.uint8, "r", offset=4 + 4 * len(shape), shape=shape)

        def write(folder: Path) -> None:
            with (folder / "pixels.bin").open("wb") as target:
                for block in _read_content(images, file, math.prod(shape)):
                    target.write(block)

        with images.open("rb") as compressed:
            key = hashlib.file_digest(compressed, "sha256").hexdigest()[:32]
        pixels = cached_folder("idx", key, write) / "pixels.bin"
    return numpy.memmap(pixels, numpy.uint8, "r", shape=shape)


def _read_header(path: Path, file: BinaryIO, num_dimensions: int) -> tuple[int, ...]:
    """The sizes of the dimensions, all above zero, and no more in all than the file can hold."""
    what = "pictures" if num_dimensions == 3 else "labels"
    expected = f"expected an idx file of {what}, unsigned bytes in {num_dimensions} dimensions"
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise DataError(path, expected, got=f"bytes {head.hex() or 'none'} at its start")
    if head[2] != UNSIGNED_BYTE or head[3] != num_dimensions:
        raise DataError(path, expected, got=f"type {head[2]} in {head[3]} dimensions")
    sizes = file.read(4 * num_dimensions)
    if len(sizes) < 4 * num_dimensions:
        raise DataError(path, expected, got="a header that ends too early")
    shape = struct.unpack(f">{num_dimensions}I", sizes)
    size = path.stat().st_size
    most = max(MAX_SMALL_BYTES, MAX_GROWTH * size) if is_compressed(path) else size - 4 - 4 * num_dimensions
    needed = math.prod(shape)
    if needed < 1 or needed > most or (not is_compressed(path) and needed < most):
        described = " x ".join(f"{part:,}" for part in shape)
        raise DataError(path, f"must hold {described} bytes, as its header says", got=f"{most:,}")
    return shape


def _read_content(path: Path, file: BinaryIO, size: int) -> Iterator[bytes]:
    left = size
    while left:
        block = file.read(min(left, BLOCK_BYTES))
        if not block:
            raise DataError(path, f"must hold {size:,} bytes, as its header says", got=f"{size - left:,}")
        left -= len(block)
        yield block
    if file.read(1):
        raise DataError(path, f"must hold {size:,} bytes, as its header says", got="more")
