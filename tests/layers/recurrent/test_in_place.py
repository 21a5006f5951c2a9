"""Outputs that are changed in place before the backward pass, as torch.nn's layers mostly allow."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqloom.kernels.native import library
from seqloom.layers.recurrent import GRU, LSTM, RNN

T, B, I, H = 5, 3, 4, 4  # noqa: E741
LAYERS = [(Layer, kernel) for Layer in (RNN, LSTM, GRU) for kernel in ("native", "reference")]


def gradients(layer: Any, x: Tensor, lengths: list[int] | None, *, in_place: bool) -> list[Tensor]:
    output, state = layer(x, lengths=lengths)
    parts = [state] if isinstance(state, Tensor) else list(state)
    if in_place:
        output += 2 * x.detach()[..., :1]
        output.mul_(output.detach().sign())
        for part in parts:
            part.mul_(3)
    else:
        output = output + 2 * x.detach()[..., :1]
        output = output * output.detach().sign()
        parts = [part * 3 for part in parts]
    loss = output.pow(2).sum() + sum(part.pow(2).sum() for part in parts)
    return list(torch.autograd.grad(loss, [x, *layer.parameters()]))


@pytest.mark.parametrize("lengths", [None, [5, 0, 2]])
@pytest.mark.parametrize(
    "options", [{}, {"bidirectional": True}, {"num_layers": 2}, {"batch_first": True, "num_layers": 2}]
)
@pytest.mark.parametrize(("Layer", "kernel"), LAYERS)
def test_gradients_are_those_of_a_change_out_of_place(
    Layer: Any, kernel: str, options: dict[str, Any], lengths: list[int] | None
) -> None:
    if kernel == "native" and not library.available():
        pytest.skip("seqloom is installed without csrc/")
    layer = Layer(I, H, kernel=kernel, **options)
    x = torch.randn(*((B, T) if layer.batch_first else (T, B)), I, requires_grad=True)
    for mine, expected in zip(
        gradients(layer, x, lengths, in_place=True), gradients(layer, x, lengths, in_place=False), strict=True
    ):
        torch.testing.assert_close(mine, expected)


@pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")
@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_only_the_last_layer_of_a_stack_copies_its_output(
    Layer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies, clone = [], Tensor.clone
    monkeypatch.setattr(Tensor, "clone", lambda tensor: copies.append(tensor.shape) or clone(tensor))
    layer = Layer(I, H, 3, kernel="native")
    with torch.no_grad():
        layer(torch.randn(T, B, I))
    assert copies == []
    layer(torch.randn(T, B, I))
    assert copies == [(T, B, H)]
