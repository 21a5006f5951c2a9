"""Room for what a forward pass keeps for its backward pass, used again in the next step of a training.

Large memory that is given back goes to the system, which hands it out again page by page, each first filled
with zeros.
"""

from __future__ import annotations

import math
import threading

import torch
from torch import Tensor

SMALLEST_BYTES = 1 << 20
"""Less than this is not worth remembering."""

MOST_BYTES = 1 << 30
"""What lies here unused is given back where there is more than this."""

_lock = threading.Lock()
_buffers: list[Tensor] = []
"""The last used last"""


def empty(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """As `like.new_empty(shape)` on the CPU, in memory of before where some is free and fits.

    It is free when no tensor is left that lies in it.
    """
    size = math.prod(shape) * like.element_size()
    if size < SMALLEST_BYTES:
        return like.new_empty(shape)
    with _lock:
        fitting = (k for k, buffer in enumerate(_buffers) if _fits(size, buffer) and _is_free(buffer))
        place = next(fitting, None)
        buffer = torch.empty(size, dtype=torch.uint8) if place is None else _buffers.pop(place)
        _buffers.append(buffer)
        tensor = buffer[:size].view(like.dtype).view(shape)
        _trim()
    return tensor


def _fits(size: int, buffer: Tensor) -> bool:
    return size <= len(buffer) <= 2 * size


def _trim() -> None:
    total = sum(map(len, _buffers))
    kept = []
    for buffer in _buffers:
        if total > MOST_BYTES and _is_free(buffer):
            total -= len(buffer)
        else:
            kept.append(buffer)
    _buffers[:] = kept


def _users(buffer: Tensor) -> int:
    return torch._C._storage_Use_Count(buffer.untyped_storage()._cdata)


def _is_free(buffer: Tensor) -> bool:
    return _users(buffer) == _ALONE


_ALONE = _users(torch.empty(1, dtype=torch.uint8))
