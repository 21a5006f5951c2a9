"""Padding: arrays as one tensor, zeros at the end, and their lengths."""

from __future__ import annotations

import numpy
import pytest
import torch

from seqloom.data.padding import lengths_of, pad


@pytest.mark.parametrize("value", [0, -100])
def test_rows_keep_their_values_and_are_padded_at_the_end(value: int) -> None:
    arrays = [numpy.arange(6, dtype=numpy.float32).reshape(2, 3), numpy.ones((4, 3), dtype=numpy.float32)]
    padded = pad(arrays, value)
    assert padded.dtype == torch.float32
    assert padded.tolist() == [[[0, 1, 2], [3, 4, 5], [value] * 3, [value] * 3], [[1] * 3] * 4]
    assert lengths_of(arrays).tolist() == [2, 4]
