"""Room for the large results of a run, in memory that earlier ones have left.

Large memory that is given back goes to the system, which hands it out again page by page, each first filled
with zeros.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor

SMALLEST_BYTES = 1 << 18
"""Less than this is not worth remembering."""

MOST_BYTES = 1 << 30
"""No more than this is remembered, in use or not."""

_lock = threading.Lock()
_buffers: list[Tensor] = []
"""The last used last"""


def empty(
    like: Tensor, shape: Sequence[int], strides: Sequence[int], dtype: torch.dtype, *, spare: bool = False
) -> Tensor:
    """As `like.new_empty_strided` on the CPU, in memory of before where some is free and fits.

    It is free when no tensor is left that lies in it.

    Args:
        like, shape, strides, dtype: strides without gaps.
        spare: whether the tensor's storage may be up to twice as large as the tensor. Whoever copies or saves
            a storage copies or saves all of it, so this is for what nobody else gets to see.
    """
    size = dtype.itemsize
    for n in shape:
        size *= n
    if not SMALLEST_BYTES <= size <= MOST_BYTES:
        return like.new_empty_strided(shape, strides, dtype=dtype)
    with _lock:
        buffer = _take(size, 2 * size if spare else size)
        # Not a view, which nobody might change in place.
        return like.new_empty(0, dtype=dtype).set_(buffer.untyped_storage(), 0, shape, strides)


def _take(least: int, most: int) -> Tensor:
    for k in range(len(_buffers) - 1, -1, -1):
        if _fits(_buffers[k], least, most) and _is_free(_buffers[k]):
            buffer = _buffers.pop(k)
            break
    else:
        _make_room(least)
        buffer = torch.empty(least, dtype=torch.uint8)
    if sum(map(len, _buffers)) + len(buffer) <= MOST_BYTES:
        _buffers.append(buffer)
    return buffer


def _make_room(size: int) -> None:
    """Forget what is free, the longest unused first, until so much more may be remembered."""
    over = sum(map(len, _buffers)) + size - MOST_BYTES
    kept = []
    for buffer in _buffers:
        if over > 0 and _is_free(buffer):
            over -= len(buffer)
        else:
            kept.append(buffer)
    _buffers[:] = kept


def _fits(buffer: Tensor, least: int, most: int) -> bool:
    """Whether it is large enough and not too large, and nobody has resized it."""
    return least <= len(buffer) <= most and buffer.untyped_storage().nbytes() == len(buffer)


def _users(buffer: Tensor) -> int:
    return torch._C._storage_Use_Count(buffer.untyped_storage()._cdata)


def _is_free(buffer: Tensor) -> bool:
    return _users(buffer) == _ALONE


_ALONE = _users(torch.empty(1, dtype=torch.uint8))
