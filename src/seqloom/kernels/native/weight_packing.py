"""Pack weights in the order in which the compiled decoder reads them (csrc/include/decoder_api.h)."""

from __future__ import annotations

import ctypes
import mmap
from typing import NamedTuple, final

import torch
from torch import Tensor

PRECISIONS = ("float32", "bfloat16", "int8")
"""Types of packed weights, in the order of `Precision` in csrc/include/decoder_api.h."""

DEPTH = 8
"""Columns are padded to a multiple of this, as in csrc/include/decoder_api.h."""

PAGE = 1 << 21
"""The size of a huge page, with which reading has fewer TLB misses."""


class Matrix(ctypes.Structure):
    """`Matrix` of csrc/include/decoder_api.h."""

    _fields_ = [
        ("weight", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("panel", "rows", "depth")),
    ]


class Layout(NamedTuple):
    """What the packed order depends on."""

    precision: str
    width: int
    """Floats in a vector of the instruction set"""
    gates: int

    @property
    def panel(self) -> int:
        """Vectors of rows in a panel of a layer's matrices."""
        return max(self.gates, 2)

    @property
    def group(self) -> int:
        """Consecutive columns of a row: 4 bytes."""
        return {"float32": 1, "bfloat16": 2, "int8": 4}[self.precision]


@final
class Arena:
    """One block of memory for all weights, in the order of adding."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Tensor, Matrix]] = []
        self._memory = torch.empty(0, device="cpu")

    @property
    def address(self) -> int:
        """The address of the first weight."""
        return self._memory.data_ptr() + -self._memory.data_ptr() % PAGE

    def add(self, piece: Tensor, matrix: Matrix) -> None:
        """Append the bytes of `piece`, the weights of `matrix`."""
        self._pieces.append((piece, matrix))

    def close(self) -> int:
        """Copy everything into the block; return the number of bytes."""
        size = sum(piece.numel() for piece, _ in self._pieces)
        self._memory = torch.frombuffer(_map(-(-size // PAGE) * PAGE + PAGE), dtype=torch.uint8)
        offset = self.address - self._memory.data_ptr()
        for piece, matrix in self._pieces:
            part = self._memory[offset : offset + piece.numel()]
            part.copy_(piece.view(-1))
            matrix.weight = part.data_ptr()
            offset += piece.numel()
        self._pieces.clear()
        return size


def _map(size: int) -> mmap.mmap:
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return mmap.mmap(-1, size)
    # Private, because shared memory has no huge pages.
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def in_blocks(weight: Tensor, layout: Layout) -> Tensor:
    """Reorder rows (gates times H, K) into blocks of all gates of a vector of units; H padded with zeros."""
    gates, width = layout.gates, layout.width
    unit = width * layout.panel // gates
    hidden = len(weight) // gates
    padded = -(-hidden // unit) * unit
    full = weight.new_zeros(gates, padded, weight.shape[1])
    full[:, :hidden] = weight.view(gates, hidden, -1) if weight.numel() else 0
    return full.view(gates, padded // width, width, -1).transpose(0, 1).reshape(gates * padded, -1)


def pack(arena: Arena, weight: Tensor, bias: Tensor, layout: Layout, panel: int) -> Matrix:
    """Quantize and pack a matrix whose rows are in order and padded to whole panels."""
    rows, columns = weight.shape
    depth = -(-columns // DEPTH) * DEPTH
    weight = torch.nn.functional.pad(weight, (0, depth - columns))
    matrix = Matrix(panel=panel, rows=rows, depth=depth)
    before, after = [], [bias]
    if layout.precision == "bfloat16":
        weight = weight.to(torch.bfloat16)
    elif layout.precision == "int8":
        scale = weight.abs().amax(1) / 127
        weight = (weight / scale.unsqueeze(1)).nan_to_num_(0, 0, 0).round_().clamp_(-127, 127).to(torch.int8)
        before, after = [-128 * weight.sum(1, dtype=torch.int32)], [scale, bias]
    shape = (rows // (panel * layout.width), panel * layout.width, depth // layout.group, layout.group)
    groups = weight.view(shape).transpose(1, 2).contiguous().view(torch.uint8).flatten(2)
    parts = [
        [vector.view(shape[0], 1, -1).view(torch.uint8) for vector in vectors] for vectors in (before, after)
    ]
    arena.add(torch.cat([*parts[0], groups, *parts[1]], dim=1), matrix)
    return matrix
