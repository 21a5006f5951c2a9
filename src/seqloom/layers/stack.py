"""A stack of recurrences: depth, direction, dropout between layers, and the kernel that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqloom.cells.lstm import LSTMState
from seqloom.cells.weights import Weights
from seqloom.errors import ConfigError
from seqloom.kernels import aten, reference
from seqloom.kernels.choose import Choice, choose, native_refusal, wish
from seqloom.kernels.request import Gates, Request, Result, Zoneout
from seqloom.layers.batch import Batch, Lengths, autocast_type, check_packed, give, take, take_state
from seqloom.layers.gates import recover
from seqloom.layers.parameters import Layer, flat_weights, plain_weights, run_weights
from seqloom.state import map_state, select_rows


class Trace(NamedTuple):
    """A run of a layer with every value inside it."""

    output: Tensor
    state: Tensor | LSTMState
    gates: tuple[Gates, ...]
    """One for each direction of each layer, in the order of the state's first dimension"""


def forward(layer: Layer, input: Any, state: Any, lengths: Lengths) -> tuple[Any, Any]:
    """Run the layer as torch.nn's `forward` does, and with `lengths`."""
    if isinstance(input, PackedSequence):
        return _forward_packed(layer, input, state, lengths)
    batch = take(layer, input, state, lengths)
    kernel = _decide_padded(layer, batch).kernel
    if kernel != "torch":
        output, new, _ = _run_layers(layer, batch, kernel, want_gates=False)
    elif batch.lengths is None:
        output, new = aten.run(_torch_stack(layer, batch.input), batch.input, batch.state)
    else:
        stack = _torch_stack(layer, batch.input)
        output, new = aten.run_lengths(stack, batch.input, batch.state, batch.lengths)
    return give(layer, batch, output, new)


def step(layer: Layer, chunk: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """Run the next steps on from `state`: a sequence fed in any chunks gives what it gives whole.

    Random masks (dropout, zoneout, in training) are drawn anew for each chunk.

    Args:
        chunk: (T, B, I), or (B, T, I) if the layer is `batch_first`; T may be 1, or 0.
        state: what the chunk before gave; None: `initial_state`.

    Returns:
        output (T, B, P) or batch first, and the state after the chunk.

    Raises:
        ConfigError: the layer is bidirectional.
        DataError: as `forward`.

    >>> from seqloom.layers.recurrent import GRU
    >>> layer, x = GRU(3, 4), torch.randn(5, 2, 3)
    >>> first, state = layer.step(x[:2])
    >>> second, state = layer.step(x[2:], state)
    >>> torch.allclose(torch.cat([first, second]), layer(x)[0], atol=1e-6)
    True
    """
    if layer.bidirectional:
        raise ConfigError(
            type(layer).__name__,
            "a bidirectional layer cannot step, as its reverse direction starts at a sequence's end",
            mend="Give the whole sequence to forward, or build with bidirectional=False",
        )
    return forward(layer, chunk, state, None)


def trace(layer: Layer, input: Tensor, state: Any = None, lengths: Lengths = None) -> Trace:
    """Run as `forward` does, and give every gate and cell value of every direction of every layer.

    The kernel is the one that `forward` takes. A fast one does not give its gates, so they are computed
    from its inputs and outputs, all steps in one product.

    Args:
        input, state, lengths: as for `forward`; no PackedSequence.

    Returns:
        output and state as `forward`, and gates: a tuple with one RNNGates(h), LSTMGates(i, f, g, o, c) or
        GRUGates(r, z, n) for each direction of each layer, in the order of the state's first dimension. Each
        value is laid out as the output is, with H as its last dimension, and 0 beyond a row's length.

    Raises:
        DataError: as `forward`.

    >>> from seqloom.layers.recurrent import LSTM
    >>> output, state, (gates,) = LSTM(3, 4).trace(torch.randn(5, 2, 3))
    >>> gates._fields, gates.f.shape, torch.allclose(gates.o * gates.c.tanh(), output, atol=1e-6)
    (('i', 'f', 'g', 'o', 'c'), torch.Size([5, 2, 4]), True)
    """
    batch = take(layer, input, state, lengths)
    output, new, gates = _run_layers(layer, batch, _decide_padded(layer, batch).kernel, want_gates=True)
    if layer.batch_first:
        gates = [type(g)(*(value.transpose(0, 1) for value in g)) for g in gates]
    if not batch.batched:
        gates = [type(g)(*(value.squeeze(0 if layer.batch_first else 1) for value in g)) for g in gates]
    return Trace(*give(layer, batch, output, new), tuple(gates))


def choice(layer: Layer, input: Tensor, lengths: Lengths = None) -> Choice:
    """Which kernel `forward` takes for this input, and why.

    Args:
        input, lengths: as for `forward`; no PackedSequence.

    Raises:
        ConfigError: the kernel that was asked for cannot do this.
        DataError: as `forward`.

    >>> from seqloom.layers.recurrent import GRU
    >>> GRU(3, 4, zoneout=0.1, kernel="auto").choice(torch.randn(5, 2, 3)).why
    'zoneout needs the reference kernel'
    """
    return _decide_padded(layer, take(layer, input, None, lengths))


def _decide_padded(layer: Layer, batch: Batch) -> Choice:
    found = _decide(layer, lambda: batch)
    empty = batch.input.numel() == 0 or (batch.lengths is not None and not bool(batch.lengths.any()))
    if found.kernel == "torch" and empty:
        return Choice("reference", "no row has a step, and torch's own kernel refuses to run none")
    return found


def _decide(layer: Layer, batch: Callable[[], Batch]) -> Choice:
    where = type(layer).__name__
    asked = wish(where, layer.kernel)
    only = _reference_only(layer)
    refusal = _native_refusal(layer, batch()) if asked.kernel == "native" and not only else None
    return choose(where, asked, only, refusal)


def _reference_only(layer: Layer) -> list[str]:
    names = []
    if layer.layer_norm:
        names.append("layer_norm")
    if layer.recurrent_dropout and layer.training:
        names.append("recurrent_dropout in training")
    if _zoneout(layer):
        names.append("zoneout")
    return names


def _zoneout(layer: Layer) -> Zoneout | None:
    z = layer.zoneout
    hidden, cell = z if isinstance(z, tuple) else (z, z)
    return Zoneout(hidden, cell, layer.training) if hidden or cell else None


def _torch_stack(layer: Layer, input: Tensor, weights: list[Tensor] | None = None) -> aten.Stack:
    # cuDNN gives gradients in its training mode only; without dropout the two modes are the same.
    training = layer.training or (input.is_cuda and torch.is_grad_enabled())
    return aten.Stack(
        layer.mode.lower(), flat_weights(layer) if weights is None else weights, layer.bias, layer.num_layers,
        layer.dropout if layer.training else 0.0, training, layer.bidirectional, layer.batch_first,
    )  # fmt: skip


def _run_layers(
    layer: Layer, batch: Batch, kernel: str, *, want_gates: bool
) -> tuple[Tensor, Any, list[Gates]]:
    """Run layer by layer, which every kernel can; the output in the layer's own order of dimensions."""
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


def _request(
    layer: Layer, x: Tensor, state: Any, w: Weights, lengths: Tensor | None, direction: int
) -> Request:
    mask = None
    if layer.recurrent_dropout and layer.training:
        h = state if isinstance(state, Tensor) else state.h
        mask = F.dropout(torch.ones_like(h), layer.recurrent_dropout)
    return Request(layer.mode.lower(), x, state, w, lengths, direction == 1, mask, _zoneout(layer))


def _run(
    kernel: str, layer: Layer, requests: list[Request], lengths: Tensor | None, want_gates: bool
) -> list[Result]:
    if kernel == "native":
        from seqloom.kernels import native  # loads a shared library, so only when it is asked for

        return [native.run(request) for request in requests]
    x = requests[0].input
    if kernel == "reference":
        return [reference.run(request._replace(want_gates=want_gates)) for request in requests]
    weights = [weight for request in requests for weight in request.weights[:5] if weight is not None]
    stack = _torch_stack(layer, x, weights)._replace(num_layers=1, dropout=0.0, batch_first=False)
    state = _stacked([request.state for request in requests])
    output, new = aten.run(stack, x, state) if lengths is None else aten.run_lengths(stack, x, state, lengths)
    return [Result(part, _level(new, k)) for k, part in enumerate(output.chunk(len(requests), dim=-1))]


def _native_refusal(layer: Layer, batch: Batch) -> str | None:
    x = batch.input.transpose(0, 1) if layer.batch_first else batch.input
    w = plain_weights(layer)
    for k in range(1 + layer.bidirectional):
        refusal = native_refusal(_request(layer, x, _level(batch.state, k), w[k], batch.lengths, k))
        if refusal:
            return refusal
    return None


def _level(state: Any, k: int) -> Any:
    return map_state(lambda tensor: tensor[k], state)


def _stacked(states: list[Any]) -> Any:
    if isinstance(states[0], Tensor):
        return torch.stack(states)
    return LSTMState(torch.stack([s.h for s in states]), torch.stack([s.c for s in states]))


def _forward_packed(
    layer: Layer, packed: PackedSequence, state: Any, lengths: object
) -> tuple[PackedSequence, Any]:
    check_packed(layer, packed, lengths)
    data, batch_sizes, sorted_indices, unsorted_indices = packed
    state = take_state(layer, data, int(batch_sizes[0]), state)
    if sorted_indices is not None:
        state = select_rows(state, sorted_indices)

    def padded() -> Batch:
        steps, each = pad_packed_sequence(PackedSequence(data, batch_sizes), layer.batch_first)
        return Batch(steps, state, each, batched=True)

    kernel = _decide(layer, padded).kernel
    if kernel == "torch":
        output, new = aten.run_packed(_torch_stack(layer, data), data, batch_sizes, state)
    else:
        batch = padded()
        output, new, _ = _run_layers(layer, batch, kernel, want_gates=False)
        assert batch.lengths is not None
        output = pack_padded_sequence(output, batch.lengths, layer.batch_first).data
    if unsorted_indices is not None:
        new = select_rows(new, unsorted_indices)
    output, new = autocast_type(output), map_state(autocast_type, new)
    return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), new
