"""Weights as the compiled decoder reads them: straight through (`Matrix` of csrc/decode.h)."""

from __future__ import annotations

import ctypes
import mmap
from typing import NamedTuple, final

import torch
from torch import Tensor

PRECISIONS = ("float32", "bfloat16", "int8")
"""In the order of csrc/decode.h."""

DEPTH = 8
"""Columns are padded to a multiple of this, as csrc/decode.h has it."""

PAGE = 1 << 21
"""A large page of the operating system: fewer of them to look up while reading."""


class Matrix(ctypes.Structure):
    """`Matrix` of csrc/decode.h."""

    _fields_ = [
        ("weight", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("panel", "rows", "depth")),
    ]


class Layout(NamedTuple):
    """What decides in which order weights lie."""

    precision: str
    width: int
    """Floats in a vector of the instruction set"""
    gates: int

    @property
    def panel(self) -> int:
        """Vectors of rows side by side in a layer's matrices (`panel_of` of csrc/decode.h)."""
        return max(self.gates, 2)

    @property
    def group(self) -> int:
        """Columns of a row that lie together: 4 bytes."""
        return {"float32": 1, "bfloat16": 2, "int8": 4}[self.precision]


@final
class Arena:
    """One stretch of memory for all weights, in the order in which they are added."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Tensor, Matrix]] = []
        self._memory = torch.empty(0)

    @property
    def address(self) -> int:
        """Where the first weight lies."""
        return self._memory.data_ptr() + -self._memory.data_ptr() % PAGE

    def add(self, piece: Tensor, matrix: Matrix) -> None:
        """Keep the bytes of `piece` for `matrix`."""
        self._pieces.append((piece, matrix))

    def close(self) -> int:
        """Copy everything; return how many bytes are weights."""
        size = sum(piece.numel() for piece, _ in self._pieces)
        self._memory = torch.frombuffer(_map(-(-size // PAGE) * PAGE + PAGE), dtype=torch.uint8)
        place = self.address - self._memory.data_ptr()
        for piece, matrix in self._pieces:
            here = self._memory[place : place + piece.numel()]
            here.copy_(piece.view(-1))
            matrix.weight = here.data_ptr()
            place += piece.numel()
        self._pieces.clear()
        return size


def _map(size: int) -> mmap.mmap:
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return mmap.mmap(-1, size)
    # Private, because shared memory has no large pages.
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def in_blocks(weight: Tensor, layout: Layout) -> Tensor:
    """Rows (gates times H, K) in blocks of vectors of units, in each the gates; H padded with zeros."""
    gates, width = layout.gates, layout.width
    unit = width * layout.panel // gates
    hidden = len(weight) // gates
    padded = -(-hidden // unit) * unit
    full = weight.new_zeros(gates, padded, weight.shape[1])
    full[:, :hidden] = weight.view(gates, hidden, -1) if weight.numel() else 0
    return full.view(gates, padded // width, width, -1).transpose(0, 1).reshape(gates * padded, -1)


def pack(arena: Arena, weight: Tensor, bias: Tensor, layout: Layout, panel: int) -> Matrix:
    """A matrix whose rows are in order, padded to whole panels: quantized, and in the order of reading."""
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
    parts = [[vector.view(shape[0], 1, -1).view(torch.uint8) for vector in each] for each in (before, after)]
    arena.add(torch.cat([*parts[0], groups, *parts[1]], dim=1), matrix)
    return matrix
