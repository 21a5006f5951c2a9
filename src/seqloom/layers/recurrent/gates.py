"""Recompute the gates of a run from its inputs and outputs, for kernels that do not return them."""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.cells.lstm import LSTMGates, LSTMState, lstm_gates
from seqloom.cells.projections import hidden_product, input_product
from seqloom.cells.spec import CELLS
from seqloom.kernels.recurrence import Gates, Request, valid_steps


def recompute_gates(request: Request, output: Tensor) -> Gates:
    """The gates (T, B, H) of a run of plain weights (no layer norm, no mask, no zoneout).

    The gates of a step depend on its input and on the previous h, which is an output, so the products of all
    steps are one. Only the c of an LSTM needs a loop, which is elementwise.
    """
    spec, w = CELLS[request.cell], request.weights
    if spec.gates._fields == ("h",):
        return spec.gates(output)
    valid = valid_steps(request)
    x = request.input if valid is None else request.input.masked_fill(~valid, 0)
    a, previous = input_product(x, w), _previous_hidden(request, output)
    if not spec.has_cell_state:
        _, gates = spec.step(a, previous, w)
        return gates if valid is None else type(gates)(*(value.masked_fill(~valid, 0) for value in gates))
    assert isinstance(request.state, LSTMState)
    i, f, g, o = lstm_gates(a + hidden_product(previous, w))
    c = _run_cell(i * g, f, request.state.c, valid, request.reverse)
    values = (i, f, g, o, c)
    return LSTMGates(*(values if valid is None else (value.masked_fill(~valid, 0) for value in values)))


def _previous_hidden(request: Request, output: Tensor) -> Tensor:
    """h before each step: the output of the previous step; at a row's first step, the initial h."""
    h = request.state if isinstance(request.state, Tensor) else request.state.h
    h = h.unsqueeze(0)
    if not request.reverse:
        return torch.cat([h, output[:-1]])
    if request.lengths is None:
        return torch.cat([output[1:], h])
    times = torch.arange(len(output), device=output.device)
    last = (times.unsqueeze(1) == request.lengths - 1).unsqueeze(-1)
    return torch.where(last, h, torch.cat([output[1:], torch.zeros_like(h)]))


def _run_cell(added: Tensor, f: Tensor, c: Tensor, valid: Tensor | None, reverse: bool) -> Tensor:
    """c = f c + i g, step by step."""
    cells = [c] * len(f)
    for t in reversed(range(len(f))) if reverse else range(len(f)):
        new = f[t] * c + added[t]
        c = new if valid is None else torch.where(valid[t], new, c)
        cells[t] = c
    return torch.stack(cells) if cells else torch.empty_like(f)
