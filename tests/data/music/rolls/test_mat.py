"""MATLAB's files, beside scipy's reader: every type of numbers, both byte orders, compressed or not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy
import pytest
import scipy.io

from seqloom.data.music.rolls.mat import read_mat
from seqloom.data.music.rolls.reading import read_rolls
from seqloom.errors import DataError

LIMIT = 1 << 20


def _saved(variables: dict[str, Any], compressed: bool = False) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "?"])
def test_numbers_of_every_type(dtype: str, compressed: bool) -> None:
    values = (numpy.random.default_rng(0).random((7, 5)) < 0.5).astype(dtype)
    cells = numpy.empty((1, 3), dtype=object)
    cells[0, 0], cells[0, 1], cells[0, 2] = values, values[:1], numpy.zeros((0, 5))
    variables = read_mat(_saved({"a": values, "b": cells, "a_long_name": values.T}, compressed), "", LIMIT)
    numpy.testing.assert_array_equal(variables["a"], values)
    numpy.testing.assert_array_equal(variables["a_long_name"], values.T)
    one, two, empty = variables["b"]  # type: ignore[misc]
    numpy.testing.assert_array_equal(one, values)
    numpy.testing.assert_array_equal(two, values[:1])
    assert empty.shape == (0, 5)  # type: ignore[union-attr]


def test_three_dimensions_by_columns() -> None:
    values = numpy.arange(24.0).reshape(2, 3, 4)
    numpy.testing.assert_array_equal(read_mat(_saved({"a": values}), "", LIMIT)["a"], values)


def test_the_other_byte_order() -> None:
    """By hand: scipy writes little-endian files only."""
    name, size = b"a\0\0\0\0\0\0\0", (5 * 8 + 24).to_bytes(4, "big")
    parts = [
        (6).to_bytes(4, "big") + (8).to_bytes(4, "big") + (9).to_bytes(4, "big") + bytes(4),
        (5).to_bytes(4, "big") + (8).to_bytes(4, "big") + (1).to_bytes(4, "big") + (2).to_bytes(4, "big"),
        (1).to_bytes(4, "big") + (1).to_bytes(4, "big") + name,
        (4).to_bytes(4, "big") + (4).to_bytes(4, "big") + b"\x01\x02\x00\x03" + bytes(4),
    ]
    data = b"".ljust(124) + b"\x01\x00MI" + (14).to_bytes(4, "big") + size + b"".join(parts)
    assert read_mat(data, "", LIMIT)["a"].tolist() == [[258, 3]]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("text", "text"),
        ({"a": 1}, "a struct"),
        (numpy.ones((2, 88)) * 1j, "complex numbers"),
    ],
)
def test_what_is_no_matrix_is_a_bad_roll(value: Any, got: str, tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(_saved({"train": value, "train_2": numpy.eye(3, 88)}))
    data = read_rolls(tmp_path / "a.mat")
    (bad,) = [r for rolls in data.splits.values() for r in rolls if isinstance(r.values, DataError)]
    with pytest.raises(DataError, match=rf"a\.mat, train: expected matrices of numbers\. Got {got}\.$"):
        bad.check()


def test_a_variable_that_grows_too_much() -> None:
    data = _saved({"a": numpy.zeros((1000, 1000))}, compressed=True)
    with pytest.raises(DataError, match=r"must unpack to at most 100 times its size, or 64 MiB"):
        read_mat(data, "", LIMIT)


def test_a_file_that_is_cut_off() -> None:
    data = _saved({"a": numpy.zeros((10, 10))})
    with pytest.raises(
        DataError, match=r"^f: expected a \.mat file\. Got the end of the file within an element"
    ):
        read_mat(data[:-8], "f", LIMIT)
