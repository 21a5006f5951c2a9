"""Common code of the cell modules: argument checks, parameters initialized as torch.nn's, description."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from seqloom.cells.projections import Weights
from seqloom.errors import ConfigError, DataError

Cell: TypeAlias = Any
"""An `RNNCell`, `LSTMCell` or `GRUCell`, whose attributes the functions here read and set."""


def check_size(where: str, name: str, size: object) -> int:
    """`size`, checked to be an int >= 1."""
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ConfigError(where, f"{name} must be an int >= 1", got=size)
    return size


def check_flag(where: str, name: str, flag: object) -> bool:
    """`flag`, checked to be a bool."""
    if not isinstance(flag, bool):
        raise ConfigError(where, f"{name} must be True or False", got=flag)
    return flag


def check_nonlinearity(where: str, nonlinearity: object) -> str:
    """`nonlinearity`, checked to be "tanh" or "relu"."""
    if nonlinearity not in ("tanh", "relu"):
        raise ConfigError(where, 'nonlinearity must be "tanh" or "relu"', got=nonlinearity)
    return cast(str, nonlinearity)


def set_parameters(
    cell: Cell, input_size: int, hidden_size: int, bias: bool, layer_norm: bool, num_gates: int,
    device: torch.device | str | None, dtype: torch.dtype | None, *, has_cell_state: bool = False,
) -> None:  # fmt: skip
    """Check a cell's arguments, set them as attributes, and create and initialize its parameters."""
    name = type(cell).__name__
    cell.input_size = check_size(name, "input_size", input_size)
    cell.hidden_size = H = check_size(name, "hidden_size", hidden_size)
    cell.bias = check_flag(name, "bias", bias)
    cell.layer_norm = check_flag(name, "layer_norm", layer_norm)
    G = num_gates * H
    shapes: dict[str, tuple[int, ...] | None] = {
        "weight_ih": (G, input_size),
        "weight_hh": (G, H),
        "bias_ih": (G,) if bias else None,
        "bias_hh": (G,) if bias else None,
    }
    if layer_norm:
        shapes |= norm_shapes(G, H, has_cell_state=has_cell_state)
    for key, shape in shapes.items():
        value = None if shape is None else nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        cell.register_parameter(key, value)
    reset(cell)


def norm_shapes(G: int, H: int, *, has_cell_state: bool) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters of layer normalization."""
    shapes: dict[str, tuple[int, ...]] = {"gain_ih": (G,), "gain_hh": (G,)}
    return shapes | {"gain_c": (H,), "shift_c": (H,)} if has_cell_state else shapes


def reset(cell: Cell) -> None:
    """Initialize the parameters in torch.nn's order, so that the same seed gives the same weights."""
    bound = 1 / math.sqrt(cell.hidden_size)
    for name, parameter in cell.named_parameters():
        reset_parameter(name, parameter, bound)


def reset_parameter(name: str, parameter: Tensor, bound: float) -> None:
    """Initialize one parameter according to its name."""
    if name.startswith("gain"):
        nn.init.ones_(parameter)
    elif name.startswith(("shift", "initial")):
        nn.init.zeros_(parameter)
    else:
        nn.init.uniform_(parameter, -bound, bound)


def cell_weights(cell: Cell) -> Weights:
    """The cell's parameters as the step's argument."""
    return Weights(
        *(getattr(cell, name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
        *(getattr(cell, name, None) for name in Weights._fields[4:]),
    )


def torch_weights(cell: Cell) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The cell's parameters as torch's fused cells take them."""
    parameters = cell._parameters  # a fifth of the time of getattr, which looks up parameters last
    try:
        return (
            parameters["weight_ih"],
            parameters["weight_hh"],
            parameters["bias_ih"],
            parameters["bias_hh"],
        )
    except KeyError:  # one has been replaced, as weight_norm does
        return cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh


def runs_fused(cell: Cell, input: Tensor) -> bool:
    """Whether torch's fused cell can run a step: a plain cell on (B, I), and no vmap, which has none."""
    return not (cell.layer_norm or torch._C._are_functorch_transforms_active()) and input.dim() == 2


def zero_hidden(cell: Cell, batch_size: int) -> Tensor:
    """(B, H) of zeros, on the parameters' device and in their type."""
    return cell.weight_hh.new_zeros(batch_size, cell.hidden_size)


def batched(
    cell: Cell, input: Tensor, state: Sequence[Tensor | None], labels: Sequence[str] = ("the state",)
) -> tuple[Tensor, list[Tensor]]:
    """`input` (B, I) and each of `state` (B, H), with a batch dimension if there is none, and zeros for None.

    Raises:
        DataError: a shape or a type that does not fit; the message calls the tensors of `state` by `labels`.
    """
    size, H, dtype = cell.input_size, cell.hidden_size, torch_weights(cell)[1].dtype
    if not isinstance(input, Tensor):
        raise DataError(type(cell).__name__, "input must be a tensor", got=type(input).__name__)
    shape = input.shape
    is_batched = len(shape) == 2
    if not (is_batched or len(shape) == 1) or shape[-1] != size:
        expected = f"input must be (B, {size}) or ({size},)"
        raise DataError(type(cell).__name__, expected, got=f"{tuple(shape)}")
    if input.dtype != dtype:
        _check_autocast(cell, "input", input, dtype)
    x = input if is_batched else input.unsqueeze(0)
    if state[0] is None and state[-1] is None:
        zeros = x.new_zeros(x.shape[0], H)
        return x, [zeros] * len(state)
    shape = (shape[0], H) if is_batched else (H,)
    parts: list[Tensor] = []
    for k, part in enumerate(state):
        if not isinstance(part, Tensor) or part.shape != shape:
            got = f"{tuple(part.shape)}" if isinstance(part, Tensor) else type(part).__name__
            raise DataError(type(cell).__name__, f"{labels[k]} must be {shape}", got=got)
        parts.append(part if part.dtype == dtype else _cast_state(cell, labels[k], part, dtype))
    return x, parts if is_batched else [part.unsqueeze(0) for part in parts]


def _cast_state(cell: Cell, label: str, part: Tensor, dtype: torch.dtype) -> Tensor:
    if widens(part, dtype) and not torch.is_autocast_enabled(part.device.type):
        return part.float()
    _check_autocast(cell, label, part, dtype)
    return part


def widens(state: Tensor, dtype: torch.dtype) -> bool:
    """Whether `dtype` has all values of `state`, as float32 has those of a state that autocast left."""
    return dtype == torch.float32 and state.dtype in (torch.bfloat16, torch.float16)


def _check_autocast(cell: Cell, label: str, tensor: Tensor, dtype: torch.dtype) -> None:
    """Check that autocast will convert `tensor`, whose type is not that of the weights."""
    if not torch.is_autocast_enabled(tensor.device.type):
        hint = f"Convert it with .to({dtype}), or the cell with .to({tensor.dtype})"
        expected = f"{label} must be {dtype}, as the weights are"
        raise DataError(type(cell).__name__, expected, got=f"{tensor.dtype}", hint=hint)


def cell_description(cell: Cell) -> str:
    """The arguments that differ from the defaults, as torch.nn shows them."""
    text = f"{cell.input_size}, {cell.hidden_size}"
    if not cell.bias:
        text += ", bias=False"
    if getattr(cell, "nonlinearity", "tanh") != "tanh":
        text += f", nonlinearity={cell.nonlinearity}"
    if cell.layer_norm:
        text += ", layer_norm=True"
    return text
