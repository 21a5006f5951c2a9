"""A stack of recurrences: depth, direction, dropout between layers, and the kernel that runs it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqloom.cells.lstm import LSTMState
from seqloom.cells.spec import CELLS
from seqloom.errors import ConfigError
from seqloom.kernels import torch_backend
from seqloom.kernels.native import library
from seqloom.kernels.recurrence import Gates
from seqloom.kernels.selection import KernelChoice, choose, native_is_faster, requested_kernel
from seqloom.layers.masking import Lengths
from seqloom.layers.recurrent.execution import run_layers, torch_stack, zoneout
from seqloom.layers.recurrent.inputs import (
    Batch,
    autocast_type,
    check_packed,
    give,
    take,
    take_state,
)
from seqloom.layers.recurrent.parameters import Layer, flat_parameters
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
        output, new, _ = run_layers(layer, batch, kernel, want_gates=False)
    elif batch.lengths is None:
        output, new = torch_backend.run(torch_stack(layer, batch.input), batch.input, batch.state)
    else:
        stack = torch_stack(layer, batch.input)
        output, new = torch_backend.run_lengths(stack, batch.input, batch.state, batch.lengths)
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

    >>> import torch
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
            hint="Give the whole sequence to forward, or build with bidirectional=False",
        )
    return forward(layer, chunk, state, None)


def trace(layer: Layer, input: Tensor, state: Any = None, lengths: Lengths = None) -> Trace:
    """Run as `forward` does, and give every gate and cell value of every direction of every layer.

    The kernel is the one that `forward` takes. The compiled one keeps its gates. Torch's does not, and where
    gradients are wanted neither will do, so they are computed from its inputs and outputs, all steps in one
    product.

    Args:
        input, state, lengths: as for `forward`; no PackedSequence.

    Returns:
        output and state as `forward`, and gates: a tuple with one RNNGates(h), LSTMGates(i, f, g, o, c) or
        GRUGates(r, z, n) for each direction of each layer, in the order of the state's first dimension. Each
        value is laid out as the output is, with H as its last dimension, and 0 beyond a row's length.

    Raises:
        DataError: as `forward`.

    >>> import torch
    >>> from seqloom.layers.recurrent import LSTM
    >>> output, state, (gates,) = LSTM(3, 4).trace(torch.randn(5, 2, 3))
    >>> gates._fields, gates.f.shape, torch.allclose(gates.o * gates.c.tanh(), output, atol=1e-6)
    (('i', 'f', 'g', 'o', 'c'), torch.Size([5, 2, 4]), True)
    """
    batch = take(layer, input, state, lengths)
    output, new, gates = run_layers(layer, batch, _decide_padded(layer, batch).kernel, want_gates=True)
    if layer.batch_first:
        gates = [type(g)(*(value.transpose(0, 1) for value in g)) for g in gates]
    if not batch.batched:
        gates = [type(g)(*(value.squeeze(0 if layer.batch_first else 1) for value in g)) for g in gates]
    return Trace(*give(layer, batch, output, new), tuple(gates))


def choice(layer: Layer, input: Tensor, lengths: Lengths = None) -> KernelChoice:
    """Which kernel `forward` takes for this input, and why.

    Args:
        input, lengths: as for `forward`; no PackedSequence.

    Raises:
        ConfigError: the kernel that was asked for cannot do this.
        DataError: as `forward`.

    >>> import torch
    >>> from seqloom.layers.recurrent import GRU
    >>> GRU(3, 4, zoneout=0.1, kernel="auto").choice(torch.randn(5, 2, 3)).reason
    'zoneout needs the reference kernel'
    """
    return _decide_padded(layer, take(layer, input, None, lengths))


def _decide_padded(layer: Layer, batch: Batch) -> KernelChoice:
    x, lengths = batch.input, batch.lengths
    B, T = x.shape[:2] if layer.batch_first else x.shape[1::-1]
    found = _decide(layer, x, T, B, lengths is not None)
    if found.kernel == "torch" and (T * B == 0 or (lengths is not None and not lengths.any())):
        return KernelChoice("reference", "no row has a step, and torch's own kernel refuses to run none")
    return found


def _decide(layer: Layer, input: Tensor, T: int, B: int, lengths: bool) -> KernelChoice:
    where = type(layer).__name__
    asked, only = requested_kernel(where, layer.kernel), _reference_only(layer)
    spec = CELLS[layer.cell]
    torch_refusal = None if spec.torch_operator else f"torch has no {spec.name}"
    if only or asked.kernel in ("reference", "torch"):
        return choose(where, asked, only, torch_refusal=torch_refusal)
    if spec.native_id is None:
        return choose(where, asked, only, f"native has no {spec.name}", torch_refusal=torch_refusal)
    faster = asked.kernel == "native" or native_is_faster(
        layer.cell, T, B, layer.hidden_size, lengths=lengths, training=torch.is_grad_enabled()
    )
    refusal = None
    if faster:  # else nobody asks, and a run of one step is that much shorter
        refusal = "native has no projection"
        if not layer.proj_size:
            refusal = library.refusal(input, flat_parameters(layer))
    return choose(where, asked, only, refusal, faster)


def _reference_only(layer: Layer) -> list[str]:
    names = []
    if layer.layer_norm:
        names.append("layer_norm")
    if layer.recurrent_dropout and layer.training:
        names.append("recurrent_dropout in training")
    if zoneout(layer):
        names.append("zoneout")
    return names


def _forward_packed(
    layer: Layer, packed: PackedSequence, state: Any, lengths: object
) -> tuple[PackedSequence, Any]:
    check_packed(layer, packed, lengths)
    data, batch_sizes, sorted_indices, unsorted_indices = packed
    state = take_state(layer, data, int(batch_sizes[0]), state)
    if sorted_indices is not None:
        state = select_rows(state, sorted_indices)
    kernel = _decide(layer, data, len(batch_sizes), int(batch_sizes[0]), lengths=True).kernel
    if kernel == "torch":
        output, new = torch_backend.run_packed(torch_stack(layer, data), data, batch_sizes, state)
    else:
        steps, each = pad_packed_sequence(PackedSequence(data, batch_sizes), layer.batch_first)
        output, new, _ = run_layers(layer, Batch(steps, state, each, batched=True), kernel, want_gates=False)
        output = pack_padded_sequence(output, each, layer.batch_first).data
    if unsorted_indices is not None:
        new = select_rows(new, unsorted_indices)
    output, new = autocast_type(output), map_state(autocast_type, new)
    return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), new
