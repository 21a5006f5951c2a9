"""Run the layers of a stack one after another on a kernel, both directions together."""

from __future__ import annotations

from typing import Any, NamedTuple

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
from seqloom.layers.recurrent.gates import recompute_gates
from seqloom.layers.recurrent.inputs import Batch
from seqloom.layers.recurrent.parameters import Layer, flat_weights, run_weights
from seqloom.state import map_state


class DirectionTrace(NamedTuple):
    """What one direction of one layer read and computed, time first.

    Fields:
        input: (T, B, I).
        start: the initial state, h (B, P) or LSTMState.
        lengths: (B,) int64 on the CPU; None: T for every row.
        hidden: (T, B, P).
        gates: the named tuple of the cell's gate values, (T, B, H) each.
        output: (T, B, P times directions), the tensor that is read of the layer, of both directions.
    """

    input: Tensor
    start: Tensor | LSTMState
    lengths: Tensor | None
    hidden: Tensor
    gates: Gates
    output: Tensor


def run_layers(
    layer: Layer,
    batch: Batch,
    kernel: str,
    *,
    want_trace: bool = False,
    want_gates: bool = True,
    detach_gates: bool = False,
) -> tuple[Tensor, Any, list[DirectionTrace]]:
    """Run a layer on any kernel: output (as `layer.batch_first` says), state, and its trace if requested."""
    want_gates = want_gates and want_trace
    if kernel == "native":
        return _run_native(layer, batch, want_trace, want_gates, detach_gates)
    directions = 1 + layer.bidirectional
    weights = run_weights(layer)
    x = batch.input.transpose(0, 1) if layer.batch_first else batch.input
    lengths = None if batch.lengths is None else batch.lengths.to(x.device)
    states: list[Tensor | LSTMState] = []
    traces: list[DirectionTrace] = []
    for first in range(0, layer.num_layers * directions, directions):
        if first and layer.dropout:
            x = F.dropout(x, layer.dropout, layer.training)
        requests = [
            _request(layer, x, _select(batch.state, k), weights[k], lengths, k - first)
            for k in range(first, first + directions)
        ]
        results = _run(kernel, layer, requests, batch.lengths, want_gates)
        x = torch.cat([result.output for result in results], dim=-1) if directions == 2 else results[0].output
        for request, result in zip(requests, results, strict=True) if want_trace else ():
            gates = result.gates
            if want_gates and gates is None:
                with torch.set_grad_enabled(torch.is_grad_enabled() and not detach_gates):
                    gates = recompute_gates(request, result.output)
            hidden = result.output
            traces.append(DirectionTrace(request.input, request.state, batch.lengths, hidden, gates, x))
        states += [result.state for result in results]
    return x.transpose(0, 1) if layer.batch_first else x, _stack(states), traces


def torch_stack(layer: Layer, input: Tensor, weights: list[Tensor] | None = None) -> torch_backend.Stack:
    """The layer as the arguments of torch's kernels."""
    # cuDNN has gradients in training mode only; without dropout the two modes compute the same.
    training = layer.training or (input.is_cuda and torch.is_grad_enabled())
    return torch_backend.Stack(
        layer.cell, flat_weights(layer) if weights is None else weights, layer.bias, layer.num_layers,
        layer.dropout if layer.training else 0.0, training, layer.bidirectional, layer.batch_first,
    )  # fmt: skip


def zoneout(layer: Layer) -> Zoneout | None:
    """The layer's zoneout; None without any."""
    z = layer.zoneout
    if not z:
        return None
    hidden, cell = z if isinstance(z, tuple) else (z, z)
    return Zoneout(hidden, cell, layer.training) if hidden or cell else None


def _run_native(
    layer: Layer, batch: Batch, want_trace: bool, want_gates: bool, detach_gates: bool
) -> tuple[Tensor, Any, list[DirectionTrace]]:
    D, L = 1 + layer.bidirectional, len(layer.parameter_names)
    x = batch.input.transpose(0, 1) if layer.batch_first else batch.input
    # The library takes weights and states in float32, and converts a float32 input to bfloat16 while reading
    # it.
    dtype, output_dtype = x.dtype, library.compute_dtype(x)
    bf16 = output_dtype == torch.bfloat16 and library.has_bfloat16()
    if output_dtype == torch.bfloat16 and not bf16:
        x = _cast(x)  # and the results back to bfloat16
    h, c = batch.state if isinstance(batch.state, tuple) else (batch.state, None)
    h, c = _cast(h), None if c is None else _cast(c)
    weights = [_cast(weight) for weight in flat_weights(layer)]
    per_direction = len(weights) // L
    states: list[Any] = []
    traces: list[DirectionTrace] = []
    for k in range(0, L, D):
        if k and layer.dropout:
            x = F.dropout(x, layer.dropout, layer.training)
        run = Run(
            layer.cell, x, h if L == D else h[k : k + D], c if c is None or L == D else c[k : k + D],
            batch.lengths, _for_two_directions(weights[k * per_direction : (k + D) * per_direction], D),
            False, bf16,
        )  # fmt: skip
        # Between layers time comes first, so that dropout draws the same mask for every kernel.
        is_last = k + D == L
        output, h_n, c_n, values = recurrence(run, layer.batch_first and is_last, want_gates, is_last)
        if want_trace:
            gates: list[Any] = [None] * D
            if want_gates:
                gates = _native_gates(run, output, values, output_dtype, detach_gates)
            traces += _native_traces(run, output, gates, output_dtype)
        states.append(_cast(h_n, dtype) if c_n is None else LSTMState(_cast(h_n, dtype), _cast(c_n, dtype)))
        x = output
    x = _cast(x, output_dtype)
    return x.transpose(0, 1) if layer.batch_first else x, _concatenate(states), traces


def _cast(tensor: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def _for_two_directions(weights: list[Tensor], D: int) -> list[Tensor | None]:
    """The weights of two directions, four each; None for absent ones."""
    if len(weights) == 4 * D:
        return [*weights, *([None] * (8 - 4 * D))]
    return [*weights[:2], None, None, *weights[2:], *([None] * (6 - 2 * D))]


def _concatenate(states: list[Any]) -> Any:
    if len(states) == 1:
        return states[0]
    if isinstance(states[0], Tensor):
        return torch.cat(states)
    return LSTMState(torch.cat([state.h for state in states]), torch.cat([state.c for state in states]))


def _native_gates(
    run: Run, output: Tensor, saved: Tensor | None, dtype: torch.dtype, detach: bool
) -> list[Gates]:
    """The gates that the run saved; where they may need gradients, recomputed from inputs and outputs."""
    x, h, c, weights = run.input, run.h, run.c, run.weights
    if detach or not needs_gradient(x, h, c, *weights):
        return [_cast_gates(gates, dtype) for gates in saved_gates.gates(run, output.detach(), saved)]
    recomputed: list[Gates] = []
    for d, part in enumerate(output.float().chunk(len(h), dim=-1)):
        w = Weights(*weights[4 * d : 4 * d + 4])  # type: ignore[arg-type]
        state = h[d] if c is None else LSTMState(h[d], c[d])
        gates = recompute_gates(Request(run.cell, x.float(), state, w, run.lengths, reverse=d == 1), part)
        recomputed.append(_cast_gates(gates, dtype))
    return recomputed


def _native_traces(run: Run, output: Tensor, gates: list[Gates], dtype: torch.dtype) -> list[DirectionTrace]:
    traces = []
    for d, part in enumerate(output.chunk(len(run.h), dim=-1)):
        start = run.h[d] if run.c is None else LSTMState(run.h[d], run.c[d])
        hidden = _cast(part, dtype)
        traces.append(DirectionTrace(run.input, start, run.lengths, hidden, gates[d], output))
    return traces


def _cast_gates(gates: Gates, dtype: torch.dtype) -> Gates:
    return type(gates)(*(_cast(value, dtype) for value in gates))


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
    state = _stack([request.state for request in requests])
    output, new = (
        torch_backend.run(stack, x, state)
        if lengths is None
        else torch_backend.run_lengths(stack, x, state, lengths)
    )
    return [Result(part, _select(new, k)) for k, part in enumerate(output.chunk(len(requests), dim=-1))]


def _select(state: Any, k: int) -> Any:
    return map_state(lambda tensor: tensor[k], state)


def _stack(states: list[Any]) -> Any:
    if isinstance(states[0], Tensor):
        return torch.stack(states)
    return LSTMState(torch.stack([s.h for s in states]), torch.stack([s.c for s in states]))
