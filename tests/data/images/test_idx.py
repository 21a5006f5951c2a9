"""idx files: read as they are or compressed, and one line for each that is damaged."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy
import pytest

from seqloom.data.images.idx import (
    IdxPair,
    count_pictures,
    find_idx_pairs,
    read_idx_labels,
    read_idx_picture,
)
from seqloom.errors import DataError

PIXELS = numpy.arange(24, dtype=numpy.uint8).reshape(2, 3, 4)


def idx(values: numpy.ndarray) -> bytes:
    """The content of an idx file."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


@pytest.mark.parametrize("compressed", [False, True])
def test_pictures_and_labels_are_read(
    tmp_path: Path, compressed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    suffix, pack = (".gz", gzip.compress) if compressed else ("", bytes)
    images, labels = (
        tmp_path / f"train-images-idx3-ubyte{suffix}",
        tmp_path / f"train-labels.idx1-ubyte{suffix}",
    )
    images.write_bytes(pack(idx(PIXELS)))
    labels.write_bytes(pack(idx(numpy.array([7, 0], numpy.uint8))))
    assert find_idx_pairs([images, labels]) == [IdxPair(images, labels)]
    assert count_pictures(images) == 2
    assert list(read_idx_labels(labels)) == [7, 0]
    numpy.testing.assert_array_equal(read_idx_picture(images, 1), PIXELS[1])
    with pytest.raises(DataError, match=r"expected a picture below 2\. Got 2\."):
        read_idx_picture(images, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Got bytes none at its start."),
        (b"\x89PNG", "Got bytes 89504e47 at its start."),
        (idx(PIXELS.reshape(6, 4)), "Got type 8 in 2 dimensions."),
        (struct.pack(">HBB3I", 0, 13, 3, 2, 3, 4) + bytes(96), "Got type 13 in 3 dimensions."),
        (idx(PIXELS)[:9], "Got a header that ends too early."),
        (idx(PIXELS)[:-1], "must hold 2 x 3 x 4 bytes, as its header says. Got 23."),
        (idx(PIXELS) + b"x", "must hold 2 x 3 x 4 bytes, as its header says. Got 25."),
        (struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31), "must hold 2,147,483,648 x 2,147,483,648"),
        (struct.pack(">HBB3I", 0, 8, 3, 0, 3, 4), "must hold 0 x 3 x 4 bytes"),
    ],
)
def test_damaged_files_are_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_idx_picture(path, 0)
    assert message in str(error.value)


def test_a_small_compressed_file_cannot_claim_gigabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 60_000, 1000, 1000)))
    with pytest.raises(DataError, match=r"must hold 60,000 x 1,000 x 1,000 bytes, as its header says\."):
        read_idx_picture(path, 0)
    path.write_bytes(gzip.compress(idx(PIXELS)[:-3]))
    with pytest.raises(DataError, match=r"must hold 24 bytes, as its header says\. Got 21\."):
        read_idx_picture(path, 0)
