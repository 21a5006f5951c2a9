"""One layer after another on a kernel, both directions of each together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import Weights
from seqloom.kernels import reference, torch_backend
from seqloom.kernels.native import library, saved_gates
from seqloom.kernels.native.abi import Run
from seqloom.kernels.native.operators import needs_gradient, recurrence
from seqloom.kernels.recurrence import Gates, Request, Result, Zoneout
from seqloom.layers.recurrent.gates import recover
from seqloom.layers.recurrent.inputs import Batch
from seqloom.layers.recurrent.parameters import Layer, flat_weights, run_weights
from seqloom.state import map_state


def run_layers(
    layer: Layer, batch: Batch, kernel: str, *, want_gates: bool
) -> tuple[Tensor, Any, list[Gates]]:
    """Run a layer on any kernel: output (in the layer's order of dimensions), state, and gates if wanted."""
    if kernel == "native":
        return _run_native(layer, batch, want_gates=want_gates)
    directions = 1 + layer.bidirectional
    weights = run_weights(layer)
    x = batch.input.transpose(0, 1) if layer.batch_first else batch.input
    lengths = None if batch.lengths is None else batch.lengths.to(x.device)
    states: list[Tensor | LSTMState] = []
    gates: list[Gates] = []
    for first in range(0, layer.num_layers * directions, directions):
        if first and layer.dropout:
            x = F.dropout(x, layer.dropout, layer.training)
        requests = [
            _request(layer, x, _level(batch.state, k), weights[k], lengths, k - first)
            for k in range(first, first + directions)
        ]
        results = _run(kernel, layer, requests, batch.lengths, want_gates)
        x = torch.cat([result.output for result in results], dim=-1) if directions == 2 else results[0].output
        states += [result.state for result in results]
        if want_gates:
            gates += [r.gates or recover(q, r.output) for q, r in zip(requests, results, strict=True)]
    return x.transpose(0, 1) if layer.batch_first else x, _stacked(states), gates


def torch_stack(layer: Layer, input: Tensor, weights: list[Tensor] | None = None) -> torch_backend.Stack:
    """The layer as torch's kernels want it."""
    # cuDNN gives gradients in its training mode only; without dropout the two modes are the same.
    training = layer.training or (input.is_cuda and torch.is_grad_enabled())
    return torch_backend.Stack(
        layer.cell, flat_weights(layer) if weights is None else weights, layer.bias, layer.num_layers,
        layer.dropout if layer.training else 0.0, training, layer.bidirectional, layer.batch_first,
    )  # fmt: skip


def zoneout(layer: Layer) -> Zoneout | None:
    """The layer's zoneout, if it has any."""
    z = layer.zoneout
    if not z:
        return None
    hidden, cell = z if isinstance(z, tuple) else (z, z)
    return Zoneout(hidden, cell, layer.training) if hidden or cell else None


def _run_native(layer: Layer, batch: Batch, *, want_gates: bool) -> tuple[Tensor, Any, list[Gates]]:
    D, L = 1 + layer.bidirectional, len(layer.parameter_names)
    x = batch.input.transpose(0, 1) if layer.batch_first else batch.input
    # The library wants weights and states in float32; the input is narrowed as it is read.
    dtype, half = x.dtype, library.computed_in(x) == torch.bfloat16
    h, c = batch.state if isinstance(batch.state, tuple) else (batch.state, None)
    h, c = _cast(h), None if c is None else _cast(c)
    weights = [_cast(weight) for weight in flat_weights(layer)]
    each = len(weights) // L
    states: list[Any] = []
    gates: list[Gates] = []
    for k in range(0, L, D):
        if k and layer.dropout:
            x = F.dropout(x, layer.dropout, layer.training)
        run = Run(
            layer.cell, x, h if L == D else h[k : k + D], c if c is None or L == D else c[k : k + D],
            batch.lengths, _eight(weights[k * each : (k + D) * each], D), False, half,
        )  # fmt: skip
        # Between layers time comes first, as everywhere: dropout then draws what it draws for every kernel.
        output, h_n, c_n, values = recurrence(run, layer.batch_first and k + D == L, want_gates)
        if want_gates:
            gates += _native_gates(run, output, values)
        states.append(_cast(h_n, dtype) if c_n is None else LSTMState(_cast(h_n, dtype), _cast(c_n, dtype)))
        x = output
    return x.transpose(0, 1) if layer.batch_first else x, _joined(states), gates


def _cast(tensor: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def _eight(weights: list[Tensor], D: int) -> list[Tensor | None]:
    """Those of two directions, four each, with None for what there is not."""
    if len(weights) == 4 * D:
        return [*weights, *([None] * (8 - 4 * D))]
    return [*weights[:2], None, None, *weights[2:], *([None] * (6 - 2 * D))]


def _joined(states: list[Any]) -> Any:
    if len(states) == 1:
        return states[0]
    if isinstance(states[0], Tensor):
        return torch.cat(states)
    return LSTMState(torch.cat([state.h for state in states]), torch.cat([state.c for state in states]))


def _native_gates(run: Run, output: Tensor, values: Tensor | None) -> list[Gates]:
    """What the run kept; where gradients may flow through the gates, the same from its inputs and outputs."""
    x, h, c, weights = run.input, run.h, run.c, run.weights
    if not needs_gradient(x, h, c, *weights):
        return saved_gates.gates(run, output, values)
    found: list[Gates] = []
    for d, part in enumerate(output.float().chunk(len(h), dim=-1)):
        w = Weights(*weights[4 * d : 4 * d + 4])  # type: ignore[arg-type]
        state = h[d] if c is None else LSTMState(h[d], c[d])
        gates = recover(Request(run.cell, x.float(), state, w, run.lengths, reverse=d == 1), part)
        found.append(type(gates)(*(value.to(output.dtype) for value in gates)))
    return found


def _request(
    layer: Layer, x: Tensor, state: Any, w: Weights, lengths: Tensor | None, direction: int
) -> Request:
    mask = None
    if layer.recurrent_dropout and layer.training:
        h = state if isinstance(state, Tensor) else state.h
        mask = F.dropout(torch.ones_like(h), layer.recurrent_dropout)
    return Request(layer.cell, x, state, w, lengths, direction == 1, mask, zoneout(layer))


def _run(
    kernel: str, layer: Layer, requests: list[Request], lengths: Tensor | None, want_gates: bool
) -> list[Result]:
    if kernel == "reference":
        return [reference.run(request._replace(want_gates=want_gates)) for request in requests]
    x = requests[0].input
    weights = [weight for request in requests for weight in request.weights[:5] if weight is not None]
    stack = torch_stack(layer, x, weights)._replace(num_layers=1, dropout=0.0, batch_first=False)
    state = _stacked([request.state for request in requests])
    output, new = (
        torch_backend.run(stack, x, state)
        if lengths is None
        else torch_backend.run_lengths(stack, x, state, lengths)
    )
    return [Result(part, _level(new, k)) for k, part in enumerate(output.chunk(len(requests), dim=-1))]


def _level(state: Any, k: int) -> Any:
    return map_state(lambda tensor: tensor[k], state)


def _stacked(states: list[Any]) -> Any:
    if isinstance(states[0], Tensor):
        return torch.stack(states)
    return LSTMState(torch.stack([s.h for s in states]), torch.stack([s.c for s in states]))
