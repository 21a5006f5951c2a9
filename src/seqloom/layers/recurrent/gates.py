"""Every gate of a run, from its inputs and outputs alone, so that the kernel that ran need not give them."""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.cells.lstm import LSTMGates, LSTMState, lstm_gates
from seqloom.cells.projections import hidden_product, input_product
from seqloom.cells.spec import CELLS
from seqloom.kernels.recurrence import Gates, Request


def recover(request: Request, output: Tensor) -> Gates:
    """The gates (T, B, H) of a run of plain weights (no layer norm, no mask, no zoneout).

    All gates of a step depend on its input and the h before it, which is an output; so they are one product
    over all steps at once. Only an LSTM's c is a recurrence, elementwise.
    """
    spec, w = CELLS[request.cell], request.weights
    if spec.gates._fields == ("h",):
        return spec.gates(output)
    real = _real(request)
    x = request.input if real is None else request.input.masked_fill(~real, 0)
    a, before = input_product(x, w), _before(request, output)
    if not spec.has_cell_state:
        _, gates = spec.step(a, before, w)
        return gates if real is None else type(gates)(*(value.masked_fill(~real, 0) for value in gates))
    assert isinstance(request.state, LSTMState)
    i, f, g, o = lstm_gates(a + hidden_product(before, w))
    c = _cells(i * g, f, request.state.c, real, request.reverse)
    values = (i, f, g, o, c)
    return LSTMGates(*(values if real is None else (value.masked_fill(~real, 0) for value in values)))


def _real(request: Request) -> Tensor | None:
    if request.lengths is None:
        return None
    times = torch.arange(len(request.input), device=request.input.device)
    return (times.unsqueeze(1) < request.lengths).unsqueeze(-1)


def _before(request: Request, output: Tensor) -> Tensor:
    """h before each step: the output of the step before; at a row's first step, what it began from."""
    h = request.state if isinstance(request.state, Tensor) else request.state.h
    h = h.unsqueeze(0)
    if not request.reverse:
        return torch.cat([h, output[:-1]])
    if request.lengths is None:
        return torch.cat([output[1:], h])
    times = torch.arange(len(output), device=output.device)
    last = (times.unsqueeze(1) == request.lengths - 1).unsqueeze(-1)
    return torch.where(last, h, torch.cat([output[1:], torch.zeros_like(h)]))


def _cells(added: Tensor, f: Tensor, c: Tensor, real: Tensor | None, reverse: bool) -> Tensor:
    """c = f c + i g, step by step."""
    cells = [c] * len(f)
    for t in reversed(range(len(f))) if reverse else range(len(f)):
        new = f[t] * c + added[t]
        c = new if real is None else torch.where(real[t], new, c)
        cells[t] = c
    return torch.stack(cells) if cells else torch.empty_like(f)
