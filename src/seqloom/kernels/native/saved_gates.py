"""The gates of a run, out of what the compiled kernels keep for their backward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.cells.spec import CELLS
from seqloom.kernels.native.abi import Run
from seqloom.kernels.native.library import LEVELS, level
from seqloom.kernels.recurrence import Gates

_LANES = dict(zip(LEVELS, (4, 8, 16, 16), strict=True))
"""How many units an instruction takes: they lie side by side, each value of them after the other."""


def gates(run: Run, output: Tensor, kept: Tensor | None) -> list[Gates]:
    """The gates of each direction, every value (T, B, H), 0 beyond a row's length.

    Args:
        run: as it was given to `native.forward`.
        output, kept: what it gave.
    """
    T, B, _ = run.input.shape
    D, _, H = run.h.shape
    spec = CELLS[run.cell]
    if not spec.num_saved_values:
        return [spec.gates(part) for part in output.chunk(D, dim=-1)]
    assert kept is not None
    lanes, count = _LANES[LEVELS[level()]], spec.num_saved_values
    values = (
        kept.view(D, T * B, -1, count, lanes).permute(0, 3, 1, 2, 4).reshape(D, count, T * B, -1)[..., :H]
    )
    if run.lengths is not None and bool((run.lengths < T).any()):
        return [
            _named(run.cell, _at_their_time(values[d], run.lengths, T, reverse=d == 1 or run.reverse))
            for d in range(D)
        ]
    values = values.unflatten(2, (T, B))
    return [_named(run.cell, values[d].flip(1) if d == 1 or run.reverse else values[d]) for d in range(D)]


def _at_their_time(values: Tensor, lengths: Tensor, T: int, *, reverse: bool) -> Tensor:
    """(count, positions, H) to (count, T, B, H). A step is kept beside that of the other rows still running,
    the longest first."""
    rank = lengths.argsort(descending=True, stable=True).argsort()
    times = torch.arange(T).unsqueeze(1)
    running = (times < lengths).sum(1)  # rows, at each step
    start = running.cumsum(0) - running
    steps = lengths - 1 - times if reverse else times.expand(T, len(lengths))
    real = times < lengths
    positions = torch.where(real, start[steps.clamp(min=0)] + rank, 0)
    return values[:, positions].masked_fill(~real.unsqueeze(-1), 0)


def _named(cell: str, values: Tensor) -> Gates:
    gates = CELLS[cell].gates
    return gates(*values[: len(gates._fields)])
