"""What torch.nn's recurrent layers have from nn.RNNBase, for code that uses it: checks, lists of weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from seqloom.errors import DataError
from seqloom.layers.recurrent.inputs import check_type
from seqloom.layers.recurrent.parameters import Layer, flat_parameters
from seqloom.state import select_rows


def all_weight_names(layer: Layer) -> list[list[str]]:
    """The names of torch.nn's parameters, one list for each direction of each layer: `_all_weights`."""
    return layer.parameter_names


def flat_weight_names(layer: Layer) -> list[str]:
    """The names of torch.nn's parameters: `_flat_weights_names`."""
    return [name for names in layer.parameter_names for name in names]


def flat_weights(layer: Layer) -> list[Tensor]:
    """torch.nn's parameters as they are now: `_flat_weights`."""
    return flat_parameters(layer)


def get_expected_hidden_size(layer: Layer, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
    """(L, B, P): the shape of h for an input, L layers times directions.

    Args:
        input: (T, B, I), or (B, T, I) if the layer is `batch_first`; or the data of a PackedSequence.
        batch_sizes: of that PackedSequence; None: of none.

    >>> import torch
    >>> from seqloom.layers.recurrent import GRU
    >>> GRU(3, 4, bidirectional=True).get_expected_hidden_size(torch.zeros(5, 2, 3), None)
    (2, 2, 4)
    """
    B = int(input.shape[0 if layer.batch_first else 1] if batch_sizes is None else batch_sizes[0])
    return len(layer.parameter_names), B, layer.proj_size or layer.hidden_size


def get_expected_cell_size(layer: Layer, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
    """(L, B, H): the shape of c for an input; arguments as of `get_expected_hidden_size`."""
    return *get_expected_hidden_size(layer, input, batch_sizes)[:2], layer.hidden_size


def check_input(layer: Layer, input: Tensor, batch_sizes: Tensor | None) -> None:
    """Check dimensions, features and type of an input.

    Raises:
        DataError: they do not fit.
    """
    check_type(layer, "input", input)
    dims = 3 if batch_sizes is None else 2
    if input.dim() != dims or input.shape[-1] != layer.input_size:
        expected = f"input must have {dims} dimensions, the last of size {layer.input_size}"
        raise DataError(type(layer).__name__, expected, got=f"{tuple(input.shape)}")


def check_hidden_size(
    layer: Layer,
    hx: Tensor,
    expected_hidden_size: tuple[int, int, int],
    msg: str = "the state must be {}, got {}",
) -> None:
    """Check the shape of a state; `msg` is formatted with the expected and the actual one.

    Raises:
        DataError: it is another.
    """
    if hx.shape != expected_hidden_size:
        raise DataError(type(layer).__name__, msg.format(expected_hidden_size, list(hx.shape)))


def check_forward_args(layer: Layer, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
    """Check an input, and the state h, or (h, c) of an LSTM.

    Raises:
        DataError: they do not fit.
    """
    check_input(layer, input, batch_sizes)
    h, *c = (hidden,) if isinstance(hidden, Tensor) else hidden
    check_hidden_size(layer, h, get_expected_hidden_size(layer, input, batch_sizes))
    for part in c:
        check_hidden_size(layer, part, get_expected_cell_size(layer, input, batch_sizes))


def permute_hidden(layer: Layer, hx: Any, permutation: Tensor | None) -> Any:  # noqa: ARG001
    """The rows of a state in the order of `permutation` (B,), as of a PackedSequence; None: as they are."""
    return hx if permutation is None else select_rows(hx, permutation)
