"""Random runs of the compiled kernels, and their results by the reference kernel in float64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import Weights
from seqloom.kernels import reference
from seqloom.kernels.native.abi import NATIVE_CELLS, Run
from seqloom.kernels.native.operators import recurrence
from seqloom.kernels.recurrence import Request

LENGTHS = [5, 0, 3, 2, 5]
# float32 keeps 24 bits: sums of up to 130 products near 1, through 12 steps, some 100 roundings of 6e-8 each.
# Gradients are sums over all steps and rows, so errors are measured against a tensor's largest value.
TOLERANCE = 1e-5


def close(mine: list[Tensor], expected: list[Tensor], tolerance: float = TOLERANCE) -> None:
    for value, other in zip(mine, expected, strict=True):
        assert value.shape == other.shape
        if value.numel():
            error = (value.double() - other).abs().max().item()
            assert error <= tolerance * max(1.0, other.abs().max().item())


def results_of(run: Run, **how: bool) -> list[Tensor]:
    return [value for value in recurrence(run, **how)[:3] if value is not None]


def leaves(run: Run) -> list[Tensor]:
    return [tensor for tensor in (run.input, run.h, run.c, *run.weights) if tensor is not None]


def make_run(
    cell: str, steps: int = 5, batch: int = 3, inputs: int = 4, hidden: int = 6, *, directions: int = 1,
    reverse: bool = False, biases: bool = True, lengths: list[int] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Run:  # fmt: skip
    """A run of random tensors that all require gradients."""

    def random(*shape: int, scale: float = 0.5) -> Tensor:
        return (torch.randn(shape) * scale).requires_grad_()

    G = NATIVE_CELLS[cell].num_gates * hidden
    shapes: list[tuple[int, ...]] = [(G, inputs), (G, hidden), (G,), (G,)]
    # The more weights the smaller, so that sums of products stay near 1.
    weights = [
        random(*shape, scale=0.5 * hidden**-0.5) if biases or len(shape) == 2 else None
        for shape in shapes * directions
    ]
    x = torch.randn(steps, batch, inputs).to(dtype).requires_grad_()
    state = [random(directions, batch, hidden) for _ in range(1 + (cell == "lstm"))]
    numbers = None if lengths is None else torch.tensor(lengths, dtype=torch.int64)
    return Run(cell, x, *(*state, None)[:2], numbers, weights + [None] * (8 - 4 * directions), reverse)


def exact(run: Run) -> list[Tensor]:
    """Output, h_n and, of an LSTM, c_n in float64, by the reference kernel."""
    cell, x, h, c, lengths, weights, reverse, _ = run
    wide = [None if weight is None else weight.double() for weight in weights]
    results = []
    for d in range(len(h)):
        state = h[d].double() if c is None else LSTMState(h[d].double(), c[d].double())
        w = Weights(*wide[4 * d : 4 * d + 4])
        results.append(reference.run(Request(cell, x.double(), state, w, lengths, reverse or d == 1)))
    states = [r.state if isinstance(r.state, LSTMState) else (r.state,) for r in results]
    final = [torch.stack(part) for part in zip(*states, strict=True)]
    return [torch.cat([r.output for r in results], dim=-1), *final]


def derivatives(results: list[Tensor], run: Run, *, twice: bool = False) -> list[Tensor]:
    """`results`, their first gradients, and if `twice` those of the squares of these; in float64."""
    torch.manual_seed(1)
    # Every value has its own weight, so that no two errors can cancel.
    loss = sum((result.double() * torch.randn(result.shape).double()).sum() for result in results)
    first = torch.autograd.grad(loss, leaves(run), create_graph=twice)
    values = [*results, *first]
    if twice:
        total = sum(gradient.double().pow(2).sum() for gradient in first)
        values += torch.autograd.grad(total, leaves(run))
    return [value.detach().double() for value in values]


def arguments_of(run: Run, *flags: bool) -> tuple[Any, ...]:
    return (*run[:5], *run.weights, run.reverse, run.bf16, *flags)
