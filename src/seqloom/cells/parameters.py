"""Common code of the cell modules: argument checks, parameters initialized as torch.nn's, description."""

from __future__ import annotations

import math
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


def zero_hidden(cell: Cell, batch_size: int) -> Tensor:
    """(B, H) of zeros, on the parameters' device and in their type."""
    return cell.weight_hh.new_zeros(batch_size, cell.hidden_size)


def batched(cell: Cell, input: Tensor, h: Tensor | None, label: str = "the state") -> tuple[Tensor, Tensor]:
    """`input` (B, I) and `h` (B, H), with a batch dimension added if it is missing, and zeros for None.

    Raises:
        DataError: a shape or a type that does not fit; the message calls `h` by `label`.
    """
    name, size = type(cell).__name__, cell.input_size
    if not isinstance(input, Tensor):
        raise DataError(name, "input must be a tensor", got=type(input).__name__)
    if input.dim() not in (1, 2) or input.shape[-1] != size:
        raise DataError(name, f"input must be (B, {size}) or ({size},)", got=f"{tuple(input.shape)}")
    _check_type(cell, "input", input)
    x = input if input.dim() == 2 else input.unsqueeze(0)
    if h is None:
        return x, x.new_zeros(len(x), cell.hidden_size)
    expected = (*input.shape[:-1], cell.hidden_size)
    if not isinstance(h, Tensor) or h.shape != expected:
        got = f"{tuple(h.shape)}" if isinstance(h, Tensor) else type(h).__name__
        raise DataError(name, f"{label} must be {expected}", got=got)
    _check_type(cell, label, h)
    return x, h if input.dim() == 2 else h.unsqueeze(0)


def _check_type(cell: Cell, label: str, tensor: Tensor) -> None:
    dtype = cell.weight_hh.dtype
    if tensor.dtype != dtype and not torch.is_autocast_enabled(tensor.device.type):
        hint = f"Convert it with .to({dtype}), or the cell with .to({tensor.dtype})"
        where = type(cell).__name__
        raise DataError(
            where, f"{label} must be {dtype}, as the weights are", got=f"{tensor.dtype}", hint=hint
        )


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
