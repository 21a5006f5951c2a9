"""Forward, step and trace of a recurrent layer, on the kernel that suits the case."""

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
from seqloom.layers.recurrent.execution import DirectionTrace, run_layers, torch_stack, zoneout
from seqloom.layers.recurrent.inputs import (
    Batch,
    check_packed,
    check_state,
    normalize_inputs,
    restore_layout,
    to_autocast_dtype,
)
from seqloom.layers.recurrent.parameters import Layer, flat_parameters
from seqloom.state import map_state, select_rows

AVX512 = library.CPU_TARGETS.index("avx512")


class Trace(NamedTuple):
    """The results of a layer with the gates of every step."""

    output: Tensor
    state: Tensor | LSTMState
    gates: tuple[Gates, ...]
    """One named tuple for each direction of each layer, in the order of the state's first dimension"""


class LayersTrace(NamedTuple):
    """The results of a layer, and what each direction of each layer read and computed."""

    output: Tensor
    state: Tensor | LSTMState
    calls: list[DirectionTrace]


def forward(layer: Layer, input: Any, state: Any, lengths: Lengths) -> tuple[Any, Any]:
    """Run the layer as torch.nn's `forward` does, and with `lengths`."""
    if isinstance(input, PackedSequence):
        return _forward_packed(layer, input, state, lengths)
    batch = normalize_inputs(layer, input, state, lengths)
    kernel = _choose_for_batch(layer, batch).kernel
    if kernel != "torch":
        output, new, _ = run_layers(layer, batch, kernel)
    elif batch.lengths is None:
        output, new = torch_backend.run(torch_stack(layer, batch.input), batch.input, batch.state)
    else:
        stack = torch_stack(layer, batch.input)
        output, new = torch_backend.run_lengths(stack, batch.input, batch.state, batch.lengths)
    return restore_layout(layer, batch, output, new)


def step(layer: Layer, chunk: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """Run the next steps from `state`: a sequence in chunks of any size gives the results of the whole.

    Random masks (dropout, zoneout, in training) are drawn anew for each chunk.

    Args:
        chunk: (T, B, I), or (B, T, I) if the layer is `batch_first`; T may be 1, or 0.
        state: the state after the previous chunk; None: `initial_state`.

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
    """Run as `forward` does, and return every gate and cell value of every direction of every layer.

    It runs on the kernel that `forward` takes. The compiled one saves its gates. Torch's does not; then, and
    where gradients are needed, the gates are recomputed from inputs and outputs, all steps in one product.

    Args:
        input, state, lengths: as for `forward`; no PackedSequence.

    Returns:
        output and state as `forward`, and gates: a tuple with one RNNGates(h), LSTMGates(i, f, g, o, c) or
        GRUGates(r, z, n) for each direction of each layer, in the order of the state's first dimension. Each
        value has the output's shape with H as last dimension, and is 0 beyond a row's length.

    Raises:
        DataError: as `forward`.

    >>> import torch
    >>> from seqloom.layers.recurrent import LSTM
    >>> output, state, (gates,) = LSTM(3, 4).trace(torch.randn(5, 2, 3))
    >>> gates._fields, gates.f.shape, torch.allclose(gates.o * gates.c.tanh(), output, atol=1e-6)
    (('i', 'f', 'g', 'o', 'c'), torch.Size([5, 2, 4]), True)
    """
    batch = normalize_inputs(layer, input, state, lengths)
    output, new, traces = run_layers(layer, batch, _choose_for_batch(layer, batch).kernel, want_trace=True)
    gates = [direction.gates for direction in traces]
    if layer.batch_first:
        gates = [type(g)(*(value.transpose(0, 1) for value in g)) for g in gates]
    if not batch.batched:
        gates = [type(g)(*(value.squeeze(0 if layer.batch_first else 1) for value in g)) for g in gates]
    return Trace(*restore_layout(layer, batch, output, new), tuple(gates))


def trace_layers(
    layer: Layer,
    input: Tensor,
    state: Any = None,
    lengths: Lengths = None,
    *,
    want_gates: bool = True,
    detach_gates: bool = False,
) -> LayersTrace:
    """Run as `forward` does, and return what each direction of each layer read and computed, time first.

    Args:
        input, state, lengths: as for `trace`.
        want_gates: False: gates are None, which spares their computation where gradients are needed.
        detach_gates: gates without gradients, which spares it too where the kernel has saved them.

    Raises:
        DataError: as `forward`.
    """
    batch = normalize_inputs(layer, input, state, lengths)
    kernel = _choose_for_batch(layer, batch).kernel
    output, new, traces = run_layers(
        layer, batch, kernel, want_trace=True, want_gates=want_gates, detach_gates=detach_gates
    )
    return LayersTrace(*restore_layout(layer, batch, output, new), traces)


def choice(layer: Layer, input: Tensor, lengths: Lengths = None) -> KernelChoice:
    """Which kernel `forward` takes for this input, and why.

    Args:
        input, lengths: as for `forward`; no PackedSequence.

    Raises:
        ConfigError: the requested kernel cannot run the case.
        DataError: as `forward`.

    >>> import torch
    >>> from seqloom.layers.recurrent import GRU
    >>> GRU(3, 4, zoneout=0.1, kernel="auto").choice(torch.randn(5, 2, 3)).reason
    'zoneout needs the reference kernel'
    """
    batch = normalize_inputs(layer, input, None, lengths)
    chosen = _choose_for_batch(layer, batch)
    is_bfloat16 = library.compute_dtype(batch.input) == torch.bfloat16
    if chosen.kernel == "native" and is_bfloat16 and not library.has_bfloat16():
        target = library.CPU_TARGETS[library.cpu_target()]
        return chosen._replace(reason=f"{chosen.reason}, in float32, as {target} has no bfloat16")
    return chosen


def _choose_for_batch(layer: Layer, batch: Batch) -> KernelChoice:
    x, lengths = batch.input, batch.lengths
    B, T = x.shape[:2] if layer.batch_first else x.shape[1::-1]
    chosen = _choose(layer, x, T, B, lengths is not None)
    if chosen.kernel == "torch" and (T * B == 0 or (lengths is not None and not lengths.any())):
        return KernelChoice("reference", "no row has a step, which torch's own kernel does not allow")
    return chosen


def _choose(layer: Layer, input: Tensor, T: int, B: int, lengths: bool) -> KernelChoice:
    where = type(layer).__name__
    asked, only = requested_kernel(where, layer.kernel), _reference_only(layer)
    if only or asked.kernel == "reference":
        return choose(where, asked, only)
    if asked.kernel == "torch":
        return choose(where, asked, torch_refusal=_torch_refusal(layer, input))
    faster = asked.kernel == "native" or native_is_faster(
        layer.cell, T, B, layer.hidden_size, lengths=lengths, training=torch.is_grad_enabled(),
        avx512=library.cpu_target() >= AVX512,
    )  # fmt: skip
    native_refusal = torch_refusal = None
    if not faster:
        torch_refusal = _torch_refusal(layer, input)
    if faster or torch_refusal:  # otherwise torch runs, and a single step is too short to check native too
        native_refusal = _native_refusal(layer, input)
    if native_refusal:
        torch_refusal = _torch_refusal(layer, input)
    return choose(where, asked, (), native_refusal, faster, torch_refusal)


def _native_refusal(layer: Layer, input: Tensor) -> str | None:
    if CELLS[layer.cell].native_id is None:
        return f"native has no {layer.cell}"
    if layer.proj_size:
        return "native has no projection"
    return library.refusal(input, flat_parameters(layer))


def _torch_refusal(layer: Layer, input: Tensor) -> str | None:
    return torch_backend.refusal(layer.cell, input, projects=layer.proj_size > 0)


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
    state = check_state(layer, data, int(batch_sizes[0]), state)
    if sorted_indices is not None:
        state = select_rows(state, sorted_indices)
    kernel = _choose(layer, data, len(batch_sizes), int(batch_sizes[0]), lengths=True).kernel
    if kernel == "torch":
        output, new = torch_backend.run_packed(torch_stack(layer, data), data, batch_sizes, state)
    else:
        padded, row_lengths = pad_packed_sequence(PackedSequence(data, batch_sizes), layer.batch_first)
        batch = Batch(padded, state, row_lengths, batched=True)
        output, new, _ = run_layers(layer, batch, kernel)
        output = pack_padded_sequence(output, row_lengths, layer.batch_first).data
    if unsorted_indices is not None:
        new = select_rows(new, unsorted_indices)
    output, new = to_autocast_dtype(output), map_state(to_autocast_dtype, new)
    return PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices), new
