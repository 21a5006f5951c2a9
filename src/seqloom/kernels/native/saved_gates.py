"""The gates of a run, read from what the compiled kernels save for backward."""

from __future__ import annotations

import numpy
import torch
from torch import Tensor

from seqloom.cells.spec import CELLS
from seqloom.kernels.native import buffer_pool
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
    is_ragged = run.lengths is not None and bool((run.lengths < T).any())
    directions = []
    for d in range(D):
        # A vector of a value as one thing of so many bytes, because numpy knows no bfloat16: it is moved
        # whole, and backward in time too.
        steps = saved.view(D, T, B, -1, count, width)[d].view(torch.uint8).numpy()
        steps = steps.view(f"V{steps.shape[-1]}")[..., 0]
        is_reverse = d == 1 or run.reverse
        if run.lengths is not None and is_ragged:
            steps = _unpack_ragged(steps, run.lengths, is_reverse=is_reverse)
        elif is_reverse:
            steps = steps[::-1]
        fields = len(spec.gates._fields)
        values = buffer_pool.empty(saved, (T, B, fields, steps.shape[2], width), saved.dtype)
        target = values.view(torch.uint8).numpy().view(steps.dtype)[..., 0]
        numpy.copyto(target, steps[..., :fields].swapaxes(2, 3))
        directions.append(spec.gates(*values.flatten(3)[..., :H].unbind(2)))
    return directions


def _unpack_ragged(steps: numpy.ndarray, lengths: Tensor, *, is_reverse: bool) -> numpy.ndarray:
    """Positions to steps and rows (T, B, …), 0 beyond a row's length. As in a PackedSequence, a step has the
    rows that still run, the longest first."""
    T = len(steps)
    rank = lengths.argsort(descending=True, stable=True).argsort()
    times = torch.arange(T, device=lengths.device).unsqueeze(1)
    running = (times < lengths).sum(1)  # rows, at each step
    start = running.cumsum(0) - running
    before = lengths - 1 - times if is_reverse else times.expand(T, len(lengths))
    positions = (start[before.clamp(min=0)] + rank).clamp(max=steps[..., 0, 0].size - 1)
    whole = steps.reshape(-1, *steps.shape[2:]).take(positions.numpy(), axis=0)
    whole[(times >= lengths).numpy()] = numpy.zeros((), whole.dtype)
    return whole
