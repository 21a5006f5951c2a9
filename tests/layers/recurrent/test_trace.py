"""`trace`: the gates of every step satisfy the equations, whichever kernel ran."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqloom.cells.gru import GRUGates
from seqloom.cells.lstm import LSTMGates
from seqloom.cells.rnn import RNNGates
from seqloom.layers.recurrent import GRU, LSTM, RNN

T, B, I, H = 5, 4, 3, 6  # noqa: E741
LENGTHS = [2, 5, 0, 4]
GATES = {RNN: RNNGates, LSTM: LSTMGates, GRU: GRUGates}
# The same float64 equation, with its sums in another order.
EXACT = {"rtol": 0, "atol": 1e-12}

CASES = [
    pytest.param(RNN, {}, id="tanh"),
    pytest.param(RNN, {"nonlinearity": "relu"}, id="relu"),
    pytest.param(LSTM, {}, id="lstm"),
    pytest.param(LSTM, {"proj_size": 2}, id="lstm-projected"),
    pytest.param(GRU, {}, id="gru"),
]


def parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize(("Layer", "keywords"), CASES)
def test_recomputed_gates_match_the_reference(
    Layer: Any, keywords: dict[str, Any], bidirectional: bool, lengths: list[int] | None
) -> None:
    layer = Layer(I, H, 2, bidirectional=bidirectional, dtype=torch.float64, **keywords)
    x = torch.randn(T, B, I, dtype=torch.float64)
    start = layer.initial_state(B)
    start = torch.randn_like(start) if isinstance(start, Tensor) else tuple(map(torch.randn_like, start))
    assert layer.choice(x, lengths).kernel == "torch"
    fast = layer.trace(x, start, lengths)
    output, state = layer(x, start, lengths)
    layer.kernel = "reference"
    slow = layer.trace(x, start, lengths)
    torch.testing.assert_close(fast.output, output, **EXACT)
    for mine, expected in zip(parts(fast.state), parts(state), strict=True):
        torch.testing.assert_close(mine, expected, **EXACT)
    assert len(fast.gates) == len(slow.gates) == 2 * (1 + bidirectional)
    for mine, expected in zip(fast.gates, slow.gates, strict=True):
        assert type(mine) is type(expected) is GATES[Layer]
        for value, other in zip(mine, expected, strict=True):
            assert value.shape == (T, B, H)
            torch.testing.assert_close(value, other, **EXACT)
            for row, length in enumerate(lengths or []):
                assert (value[length:, row] == 0).all()


@pytest.mark.parametrize("kernel", ["torch", "reference"])
def test_lstm_gates_satisfy_the_equation(kernel: str) -> None:
    layer = LSTM(I, H, dtype=torch.float64, kernel=kernel)
    output, state, ((i, f, g, o, c),) = layer.trace(torch.randn(T, B, I, dtype=torch.float64))
    before = torch.cat([torch.zeros(1, B, H, dtype=torch.float64), c[:-1]])
    torch.testing.assert_close(c, f * before + i * g, **EXACT)
    torch.testing.assert_close(output, o * torch.tanh(c), **EXACT)
    torch.testing.assert_close(state.c[0], c[-1], **EXACT)


@pytest.mark.parametrize("kernel", ["torch", "reference"])
def test_gru_gates_satisfy_the_equation(kernel: str) -> None:
    layer = GRU(I, H, dtype=torch.float64, kernel=kernel)
    output, _, ((_, z, n),) = layer.trace(torch.randn(T, B, I, dtype=torch.float64))
    before = torch.cat([torch.zeros(1, B, H, dtype=torch.float64), output[:-1]])
    torch.testing.assert_close(output, (1 - z) * n + z * before, **EXACT)


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_gates_have_the_layout_of_the_output(Layer: Any) -> None:
    x = torch.randn(B, T, I)
    layer = Layer(I, H, 2, batch_first=True)
    for lengths in (None, LENGTHS):
        output, _, gates = layer.trace(x, lengths=lengths)
        assert all(value.shape == output.shape == (B, T, H) for gate in gates for value in gate)
    alone = layer.trace(x[0])
    assert all(value.shape == alone.output.shape == (T, H) for gate in alone.gates for value in gate)
    torch.testing.assert_close(alone.gates[1][0], layer.trace(x).gates[1][0][0])


@pytest.mark.parametrize("options", [{"layer_norm": True}, {"zoneout": 0.2}, {"recurrent_dropout": 0.3}])
@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_gates_with_reference_only_options(Layer: Any, options: dict[str, Any]) -> None:
    layer = Layer(I, H, 2, bidirectional=True, **options)
    x = torch.randn(T, B, I)
    torch.manual_seed(4)
    output, _ = layer(x, lengths=LENGTHS)
    torch.manual_seed(4)
    trace = layer.trace(x, lengths=LENGTHS)
    assert torch.equal(trace.output, output)
    assert len(trace.gates) == 4


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_gates_include_dropout_and_weight_dropout(Layer: Any) -> None:
    layer = Layer(I, H, 2, weight_dropout=0.5, dropout=0.5, dtype=torch.float64)
    x = torch.randn(T, B, I, dtype=torch.float64)
    torch.manual_seed(4)
    fast = layer.trace(x)
    layer.kernel = "reference"
    torch.manual_seed(4)
    slow = layer.trace(x)
    for mine, expected in zip(fast.gates, slow.gates, strict=True):
        for value, other in zip(mine, expected, strict=True):
            torch.testing.assert_close(value, other, **EXACT)


@pytest.mark.parametrize(
    ("Layer", "kernel"), [(RNN, "torch"), (LSTM, "torch"), (GRU, "torch"), (LSTM, "reference")]
)
def test_gates_have_gradients(Layer: Any, kernel: str) -> None:
    layer = Layer(2, 3, bidirectional=True, dtype=torch.float64, kernel=kernel)
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor) -> Tensor:
        return torch.cat([value for gates in layer.trace(x, lengths=[3, 2]).gates for value in gates])

    assert torch.autograd.gradcheck(run, (x,))


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_gates_of_an_empty_sequence(Layer: Any) -> None:
    layer = Layer(I, H, 2, bidirectional=True)
    trace = layer.trace(torch.randn(0, B, I))
    assert trace.output.shape == (0, B, 2 * H)
    assert all(value.shape == (0, B, H) for gates in trace.gates for value in gates)
