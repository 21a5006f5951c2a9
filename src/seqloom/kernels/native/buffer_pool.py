"""A pool of buffers for the large results of a run, reused once no tensor refers to them.

Freed memory of such sizes returns to the operating system, which zeroes every page of the next allocation.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor

SMALLEST_BYTES = 1 << 18
"""Smaller tensors are allocated as usual."""

MAX_BYTES = 1 << 30
"""The most that the pool holds, in use or free."""

_lock = threading.Lock()
_buffers: list[Tensor] = []
"""The most recently used last"""


def empty(
    like: Tensor, shape: Sequence[int], strides: Sequence[int], dtype: torch.dtype, *, spare: bool = False
) -> Tensor:
    """`like.new_empty_strided` on the CPU, in a free buffer of the pool if one fits.

    A buffer is free when no tensor uses its storage any more.

    Args:
        like, shape, strides, dtype: as of `Tensor.new_empty_strided`; strides without gaps.
        spare: whether the storage may be up to twice as large as the tensor. Copying or saving a storage
            copies all of it, so this is for tensors that users do not see.
    """
    size = dtype.itemsize
    for n in shape:
        size *= n
    if not SMALLEST_BYTES <= size <= MAX_BYTES:
        return like.new_empty_strided(shape, strides, dtype=dtype)
    with _lock:
        buffer = _acquire(size, 2 * size if spare else size)
        # No view, so that callers can change it in place.
        return like.new_empty(0, dtype=dtype).set_(buffer.untyped_storage(), 0, shape, strides)


def _acquire(min_bytes: int, max_bytes: int) -> Tensor:
    for k in range(len(_buffers) - 1, -1, -1):
        if _fits(_buffers[k], min_bytes, max_bytes) and _is_free(_buffers[k]):
            buffer = _buffers.pop(k)
            break
    else:
        _evict(min_bytes)
        buffer = torch.empty(min_bytes, dtype=torch.uint8)
    if sum(map(len, _buffers)) + len(buffer) <= MAX_BYTES:
        _buffers.append(buffer)
    return buffer


def _evict(size: int) -> None:
    """Drop free buffers, the least recently used first, until the pool can hold `size` more."""
    over = sum(map(len, _buffers)) + size - MAX_BYTES
    retained = []
    for buffer in _buffers:
        if over > 0 and _is_free(buffer):
            over -= len(buffer)
        else:
            retained.append(buffer)
    _buffers[:] = retained


def _fits(buffer: Tensor, min_bytes: int, max_bytes: int) -> bool:
    """Whether its size is in the range, and its storage has not been resized."""
    return min_bytes <= len(buffer) <= max_bytes and buffer.untyped_storage().nbytes() == len(buffer)


def _use_count(buffer: Tensor) -> int:
    return torch._C._storage_Use_Count(buffer.untyped_storage()._cdata)


def _is_free(buffer: Tensor) -> bool:
    return _use_count(buffer) == _UNUSED_COUNT


_UNUSED_COUNT = _use_count(torch.empty(1, dtype=torch.uint8))
