"""Rows of any lengths in one flat array."""

from __future__ import annotations

import tracemalloc

import numpy
import pytest

from seqloom.data.ragged import BLOCK, MemoryValues, Ragged


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7])
def test_each_row_is_its_own_values(count: int) -> None:
    lengths = numpy.random.default_rng(count).integers(0, 5, count).astype(numpy.int32)
    rows = [numpy.arange(length) + 10 * number for number, length in enumerate(lengths)]
    ragged = Ragged(MemoryValues(numpy.concatenate([numpy.zeros(0, int), *rows])), lengths)
    for number, row in enumerate(rows):
        assert ragged.row(number).tolist() == row.tolist()
        assert ragged.row(number - count).tolist() == row.tolist()
    assert sum(len(chunk) for chunk in ragged.chunks()) == lengths.sum()
    with pytest.raises(IndexError):
        ragged.row(count)


def test_positions_take_less_than_a_byte_a_row() -> None:
    lengths = numpy.ones(1_000_000, numpy.int32)
    values = MemoryValues(numpy.zeros(1_000_000, numpy.uint8))
    tracemalloc.start()
    ragged = Ragged(values, lengths)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1_000_000
    assert len(ragged) == 1_000_000
