"""A layer on the compiled kernels and its copy on the reference kernel, and comparisons of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from seqloom.layers.recurrent import GRU, LSTM, RNN
from seqloom.state import detach, map_state

T, B, I, H = 6, 4, 3, 5  # noqa: E741
LENGTHS = [2, 6, 0, 3]
# float32 through 6 steps of 2 layers: each within 1e-7 or so of values near 1; gradients sum up 100 of them.
CLOSE = {"rtol": 1e-5, "atol": 2e-5}

CELLS = [
    pytest.param(RNN, {}, id="tanh"),
    pytest.param(RNN, {"nonlinearity": "relu"}, id="relu"),
    pytest.param(LSTM, {}, id="lstm"),
    pytest.param(GRU, {}, id="gru"),
]


def parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def twins(Layer: Any, **arguments: Any) -> tuple[Any, Any]:
    """A layer on the compiled kernels, and the same on the reference kernel in float64."""
    layer = Layer(I, H, arguments.pop("num_layers", 2), kernel="native", **arguments)
    exact = copy.deepcopy(layer).double()
    exact.kernel = "reference"
    return layer, exact


def random_state(layer: Any, batch: int = B) -> Any:
    return map_state(lambda t: torch.randn_like(t).requires_grad_(), detach(layer.initial_state(batch)))


def wide(value: Any) -> Any:
    return map_state(lambda t: t.detach().double().requires_grad_(t.requires_grad), value)


def results(layer: Any, x: Tensor, state: Any, lengths: list[int] | None = None) -> list[Tensor]:
    """Output, state, and the gradients of input, state and parameters."""
    output, new = layer(x, state, lengths)
    values = [output, *parts(new)]
    loss = sum((k + 1) * value.pow(2).sum() for k, value in enumerate(values))
    return [*values, *torch.autograd.grad(loss, [x, *parts(state), *layer.parameters()])]


def close(mine: list[Tensor], expected: list[Tensor], **tolerance: float) -> None:
    for value, other in zip(mine, expected, strict=True):
        torch.testing.assert_close(value.double(), other.double(), **(tolerance or CLOSE))
