"""Padding: arrays of different lengths as one tensor, and their lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import torch
from torch import Tensor


def pad(arrays: Sequence[numpy.ndarray], value: float = 0) -> Tensor:
    """Stack arrays of different lengths, padded at the end to the longest.

    Args:
        arrays: B arrays (T_b, ...), of one type and equal in all dimensions but the first.
        value: what to pad with.

    Returns:
        (B, T, ...) of the arrays' type, where T is the greatest length.

    >>> pad([numpy.array([1, 2]), numpy.array([3])])
    tensor([[1, 2],
            [3, 0]])
    """
    longest = max(len(array) for array in arrays)
    padded = numpy.full((len(arrays), longest, *arrays[0].shape[1:]), value, dtype=arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(padded)


def lengths_of(arrays: Sequence[numpy.ndarray]) -> Tensor:
    """The lengths of arrays, (B,) int64.

    >>> lengths_of([numpy.array([1, 2]), numpy.array([3])])
    tensor([2, 1])
    """
    return torch.tensor([len(array) for array in arrays], device="cpu")
