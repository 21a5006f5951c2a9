"""Layers on every kernel run where their inputs are, whatever torch's default device is, in any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

import seqloom
from seqloom.kernels.native import library

KERNELS = ["native", "torch", "reference"] if library.available() else ["torch", "reference"]
LENGTHS = torch.tensor([5, 2, 0])

USES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "forward": lambda layer, x: layer(x)[0],
    "lengths": lambda layer, x: layer(x, lengths=LENGTHS)[0],
    "lengths in a list": lambda layer, x: layer(x, lengths=[5, 2, 0])[0],
    "trace": lambda layer, x: layer.trace(x, lengths=LENGTHS).gates[1][0],
    "backward": lambda layer, x: torch.autograd.grad(layer(x, lengths=LENGTHS)[0].sum(), x)[0],
    "packed": lambda layer, x: layer(pack_padded_sequence(x[:, :2], [5, 2]))[0].data,
}


@pytest.fixture(params=[seqloom.RNN, seqloom.LSTM, seqloom.GRU])
def cell(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("use", USES)
def test_layers_ignore_the_default_device(cell: Any, kernel: str, use: str) -> None:
    layer, x = cell(4, 6, bidirectional=True, kernel=kernel), torch.randn(5, 3, 4, requires_grad=True)
    expected = USES[use](layer, x)
    with torch.device("meta"):
        result = USES[use](layer, x)
    assert torch.equal(result, expected)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("use", USES)
def test_layers_give_the_same_in_another_thread(cell: Any, kernel: str, use: str) -> None:
    layer, x = cell(4, 6, bidirectional=True, kernel=kernel), torch.randn(5, 3, 4, requires_grad=True)
    results: list[Tensor] = []
    threads = [threading.Thread(target=lambda: results.append(USES[use](layer, x))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        torch.testing.assert_close(result, USES[use](layer, x))
