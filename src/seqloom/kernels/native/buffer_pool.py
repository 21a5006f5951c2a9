"""Memory for what a run saves for backward, and for its gates, used again when torch frees it.

A large training step saves many megabytes and frees them at its end. Memory of such sizes returns to the
operating system, which fills its pages with zeros when they are next used: in some layers that takes a tenth
of the time.

Nothing here guesses whether memory is still in use. A tensor's storage owns a `_Lease`, which torch drops
when the storage itself ends, whoever held it: tensors, views, numpy, DLPack, another thread. A storage that
moves to shared memory is copied there first and drops its lease then.

Only what users never see, or see as views, comes from here: a storage over memory that torch did not
allocate cannot be resized.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import torch
from torch import Tensor

SMALLEST_BYTES = 1 << 20
"""Smaller tensors are allocated as usual."""

MAX_FREE_BYTES = 1 << 30
"""Free memory beyond this is returned to the operating system, the longest unused first."""

_free: dict[int, numpy.ndarray] = {}
"""Free memory by its `id`, the most recently freed last. A lease may end in any thread and within any
statement, so there is no lock, only single operations of a dictionary, each of which is atomic."""


class _Lease(numpy.ndarray):
    """A view of memory that is free again when the view ends."""

    def __del__(self) -> None:
        if isinstance(self.base, numpy.ndarray):
            _release(self.base)


def empty(like: Tensor, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """An uninitialized contiguous CPU tensor, whose storage may be up to twice as large as the tensor.

    Args:
        like: a tensor of the wanted class.
        shape, dtype: of the result.
    """
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size < SMALLEST_BYTES:
        return like.new_empty(shape, dtype=dtype)
    lease = _acquire(size).view(_Lease)
    storage = torch.frombuffer(lease, dtype=torch.uint8).untyped_storage()
    strides = [1] * len(shape)
    for k in range(len(shape) - 1, 0, -1):
        strides[k - 1] = strides[k] * shape[k]
    return like.new_empty(0, dtype=dtype).set_(storage, 0, shape, strides)


def _acquire(size: int) -> numpy.ndarray:
    """Free memory of `size` to 2 `size` bytes, or new one."""
    for key, memory in reversed(tuple(_free.items())):
        if size <= len(memory) <= 2 * size and _free.pop(key, None) is not None:
            return memory
    return numpy.empty(size, numpy.uint8)


def _release(memory: numpy.ndarray) -> None:
    _free[id(memory)] = memory
    excess = sum(map(len, tuple(_free.values()))) - MAX_FREE_BYTES
    for key, oldest in tuple(_free.items()):
        if excess <= 0:
            break
        if _free.pop(key, None) is not None:
            excess -= len(oldest)
