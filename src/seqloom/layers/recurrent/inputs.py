"""Check and normalize the inputs of a recurrent layer; restore the caller's layout in its results."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from seqloom.cells.lstm import LSTMState
from seqloom.cells.parameters import widens
from seqloom.cells.spec import CELLS
from seqloom.errors import DataError
from seqloom.layers.masking import Lengths, check_lengths
from seqloom.layers.recurrent.parameters import Layer, first_parameter, initial_state
from seqloom.state import map_state


class Batch(NamedTuple):
    """The checked inputs of a layer."""

    input: Tensor
    """(T, B, I), or (B, T, I) if the layer is `batch_first`"""
    state: Tensor | LSTMState
    lengths: Tensor | None
    """(B,) int64 on the CPU"""
    batched: bool
    """Whether the caller's tensors have a batch dimension"""


def normalize_inputs(layer: Layer, input: Tensor, state: Any, lengths: Lengths) -> Batch:
    """Check a caller's arguments, add a batch dimension where there is none, and fill in the initial state.

    Raises:
        DataError: a shape, a type or a length that does not fit.
    """
    where, size = type(layer).__name__, layer.input_size
    if isinstance(input, PackedSequence):
        hint = "Unpack it with torch.nn.utils.rnn.pad_packed_sequence"
        raise DataError(where, "only forward takes a PackedSequence", hint=hint)
    if not isinstance(input, Tensor):
        raise DataError(where, "input must be a tensor or a PackedSequence", got=type(input).__name__)
    shape = input.shape
    if len(shape) not in (2, 3) or shape[-1] != size:
        dims = f"(B, T, {size})" if layer.batch_first else f"(T, B, {size})"
        raise DataError(where, f"input must be {dims}, or (T, {size}) without a batch", got=f"{tuple(shape)}")
    check_type(layer, "input", input)
    batched = len(shape) == 3
    if not batched:
        input = input.unsqueeze(0 if layer.batch_first else 1)  # noqa: A001
    B, T = (input.shape[0], input.shape[1]) if layer.batch_first else (input.shape[1], input.shape[0])
    state = check_state(layer, input, B, state, batched)
    if lengths is not None:
        lengths = check_lengths(where, lengths, B, T)
    return Batch(input, state, lengths, batched)


def restore_layout(
    layer: Layer, batch: Batch, output: Tensor, state: Tensor | LSTMState
) -> tuple[Tensor, Any]:
    """Output and state in autocast's type, and without a batch dimension if the caller's have none."""
    if torch._C._is_any_autocast_enabled():
        output, state = to_autocast_dtype(output), map_state(to_autocast_dtype, state)
    if batch.batched:
        return output, state
    return output.squeeze(0 if layer.batch_first else 1), map_state(lambda t: t.squeeze(1), state)


def to_autocast_dtype(tensor: Tensor) -> Tensor:
    """`tensor` in autocast's type if autocast is on and the tensor is not float64.

    Torch's kernels return that type or float32, depending on device, cell and lengths. Converting all results
    makes their type independent of that, and of the kernel.
    """
    device = tensor.device.type
    if tensor.dtype == torch.float64 or not torch.amp.is_autocast_available(device):
        return tensor
    return tensor.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else tensor


def check_type(layer: Layer, name: str, tensor: Tensor) -> None:
    """Check that `tensor` has the weights' type, or that autocast will convert it."""
    weight = first_parameter(layer)
    if tensor.dtype != weight.dtype and not torch.is_autocast_enabled(tensor.device.type):
        raise DataError(
            type(layer).__name__,
            f"{name} must be {weight.dtype}, as the weights are",
            got=f"{tensor.dtype}",
            hint=f"Convert it with .to({weight.dtype}), or the layer with .to({tensor.dtype})",
        )


def check_state(layer: Layer, input: Tensor, B: int, state: Any, batched: bool = True) -> Tensor | LSTMState:
    """The caller's state, checked and with a batch dimension; for None, the layer's initial state."""
    if state is None:
        return initial_state(layer, B, input.device, input.dtype)
    where = type(layer).__name__
    L, H = len(layer.parameter_names), layer.hidden_size
    if not CELLS[layer.cell].has_cell_state:
        return _check_state_tensor(layer, "the state", state, (L, B, H), batched)
    if not isinstance(state, tuple | list) or len(state) != 2:
        raise DataError(where, "the state must be a pair (h, c)", got=type(state).__name__)
    h = _check_state_tensor(layer, "h of the state", state[0], (L, B, layer.proj_size or H), batched)
    return LSTMState(h, _check_state_tensor(layer, "c of the state", state[1], (L, B, H), batched))


def _check_state_tensor(
    layer: Layer, name: str, part: Any, shape: tuple[int, int, int], batched: bool
) -> Tensor:
    expected = shape if batched else (shape[0], shape[2])
    if not isinstance(part, Tensor) or part.shape != expected:
        got = f"{tuple(part.shape)}" if isinstance(part, Tensor) else type(part).__name__
        raise DataError(type(layer).__name__, f"{name} must be {expected}", got=got)
    if widens(part, first_parameter(layer).dtype) and not torch.is_autocast_enabled(part.device.type):
        part = part.float()
    check_type(layer, name, part)
    # cuDNN requires a contiguous state; a transposed or expanded one is not.
    return part.contiguous() if batched else part.unsqueeze(1).contiguous()


def check_packed(layer: Layer, packed: PackedSequence, lengths: object) -> None:
    """Check that a PackedSequence fits the layer.

    Raises:
        DataError: its features or type do not fit, or lengths came with it.
    """
    where, size = type(layer).__name__, layer.input_size
    if lengths is not None:
        raise DataError(where, "a PackedSequence has its own lengths; lengths must be None", got=lengths)
    if packed.data.dim() != 2 or packed.data.shape[1] != size:
        raise DataError(where, f"the packed data must be (steps, {size})", got=f"{tuple(packed.data.shape)}")
    check_type(layer, "input", packed.data)
