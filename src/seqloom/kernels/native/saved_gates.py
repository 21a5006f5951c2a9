"""The gates of a run, read from what the compiled kernels save for backward."""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.cells.spec import CELLS
from seqloom.kernels.native.abi import Run
from seqloom.kernels.native.library import CPU_TARGETS, cpu_target
from seqloom.kernels.recurrence import Gates

_VECTOR_WIDTH = dict(zip(CPU_TARGETS, (4, 8, 16, 16), strict=True))
"""Units in a vector of the instruction set: saved values are laid out vector by vector, value by value."""


def gates(run: Run, output: Tensor, saved: Tensor | None) -> list[Gates]:
    """The gates of each direction, every value (T, B, H), 0 beyond a row's length.

    Args:
        run: the argument of `forward_backward.forward`.
        output, saved: its results.
    """
    T, B, _ = run.input.shape
    D, _, H = run.h.shape
    spec = CELLS[run.cell]
    if not spec.num_saved_values:
        return [spec.gates(part) for part in output.chunk(D, dim=-1)]
    assert saved is not None
    width, count = _VECTOR_WIDTH[CPU_TARGETS[cpu_target()]], spec.num_saved_values
    values = (
        saved.view(D, T * B, -1, count, width).permute(0, 3, 1, 2, 4).reshape(D, count, T * B, -1)[..., :H]
    )
    if run.lengths is not None and bool((run.lengths < T).any()):
        return [
            _as_gates(run.cell, _unpack_ragged(values[d], run.lengths, T, reverse=d == 1 or run.reverse))
            for d in range(D)
        ]
    values = values.unflatten(2, (T, B))
    return [_as_gates(run.cell, values[d].flip(1) if d == 1 or run.reverse else values[d]) for d in range(D)]


def _unpack_ragged(values: Tensor, lengths: Tensor, T: int, *, reverse: bool) -> Tensor:
    """(count, positions, H) to (count, T, B, H). As in a PackedSequence, a step has the rows that still run,
    the longest first."""
    rank = lengths.argsort(descending=True, stable=True).argsort()
    times = torch.arange(T, device=lengths.device).unsqueeze(1)
    running = (times < lengths).sum(1)  # rows, at each step
    start = running.cumsum(0) - running
    steps = lengths - 1 - times if reverse else times.expand(T, len(lengths))
    valid = times < lengths
    positions = torch.where(valid, start[steps.clamp(min=0)] + rank, 0)
    return values[:, positions].masked_fill(~valid.unsqueeze(-1), 0)


def _as_gates(cell: str, values: Tensor) -> Gates:
    gates = CELLS[cell].gates
    return gates(*values[: len(gates._fields)])
