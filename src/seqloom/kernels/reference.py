"""The reference kernel: a loop over the cell's step, with every option. It defines what all kernels compute.

Beyond its length a row keeps its state, and its output is 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import input_product
from seqloom.cells.spec import CELLS
from seqloom.kernels.recurrence import Request, Result, Zoneout, valid_steps


def run(request: Request) -> Result:
    """Run one layer in one direction over a whole sequence.

    >>> from seqloom.cells.projections import Weights
    >>> w = Weights(torch.eye(1), torch.eye(1))
    >>> ones = torch.ones(3, 2, 1)
    >>> result = run(Request("rnn_relu", ones, ones[0] * 0, w, lengths=torch.tensor([3, 1])))
    >>> result.output[:, :, 0].T, result.state[:, 0]
    (tensor([[1., 2., 3.], [1., 0., 0.]]), tensor([3., 1.]))
    """
    x, state, w = request.input, request.state, request.weights
    spec = CELLS[request.cell]
    T, valid = len(x), valid_steps(request)
    if valid is not None:
        # Padding may hold anything, NaN included, and NaN times a zero gradient is NaN.
        x = x.masked_fill(~valid, 0)
    a = input_product(x, w, spec.norm_blocks)
    outputs: list[Tensor] = []
    gates: list[Any] = []
    for t in reversed(range(T)) if request.reverse else range(T):
        new, g = spec.step(a[t], state, w, request.hidden_mask)
        if request.zoneout is not None:
            new = zone_out(state, new, request.zoneout)
        state = new if valid is None else _where(valid[t], new, state)
        outputs.append(_hidden(state))
        if request.want_gates:
            gates.append(g)
    if request.reverse:
        outputs.reverse()
        gates.reverse()
    if not outputs:
        h = _hidden(state)
        return Result(h.new_zeros(0, *h.shape), state, _empty_gates(request) if request.want_gates else None)
    output = _stack(outputs, valid)
    traced = [_stack(values, valid) for values in zip(*gates, strict=True)]
    return Result(output, state, spec.gates(*traced) if request.want_gates else None)


def zone_out(old: Tensor | LSTMState, new: Tensor | LSTMState, zoneout: Zoneout) -> Tensor | LSTMState:
    """Units of the state keep their old value: at random in training, in expectation otherwise."""
    if isinstance(new, Tensor):
        assert isinstance(old, Tensor)
        return _zone_out(old, new, zoneout.hidden, zoneout.training)
    assert isinstance(old, LSTMState)
    return LSTMState(
        _zone_out(old.h, new.h, zoneout.hidden, zoneout.training),
        _zone_out(old.c, new.c, zoneout.cell, zoneout.training),
    )


def _zone_out(old: Tensor, new: Tensor, probability: float, training: bool) -> Tensor:
    if probability == 0:
        return new
    if not training:
        return probability * old + (1 - probability) * new
    keeps = torch.rand(new.shape, device=new.device) < probability
    return torch.where(keeps, old, new)


def _hidden(state: Tensor | LSTMState) -> Tensor:
    return state if isinstance(state, Tensor) else state.h


def _where(valid: Tensor, new: Any, old: Any) -> Any:
    if isinstance(new, Tensor):
        return torch.where(valid, new, old)
    return LSTMState(torch.where(valid, new.h, old.h), torch.where(valid, new.c, old.c))


def _stack(values: list[Tensor] | tuple[Tensor, ...], valid: Tensor | None) -> Tensor:
    stacked = torch.stack(tuple(values))
    return stacked if valid is None else stacked.masked_fill(~valid, 0)


def _empty_gates(request: Request) -> Any:
    gates = CELLS[request.cell].gates
    hidden_size = request.state.shape[-1] if isinstance(request.state, Tensor) else request.state.c.shape[-1]
    empty = request.input.new_zeros(0, request.input.shape[1], hidden_size)
    return gates(*(empty for _ in gates._fields))
