"""Cells against their equations and against torch.nn's cells, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.cells.gru import GRUCell, gru_step
from seqloom.cells.lstm import LSTMCell, LSTMState, lstm_step
from seqloom.cells.projections import Weights, input_product
from seqloom.cells.rnn import RNNCell, rnn_relu_step, rnn_tanh_step
from seqloom.errors import ConfigError, DataError

I, H, B = 3, 4, 5  # noqa: E741
# Two orders of the same few float64 sums: rounding is some 1e-16 of values near 1.
EXACT = {"rtol": 0, "atol": 1e-12}

PAIRS = [
    pytest.param(RNNCell, nn.RNNCell, {"nonlinearity": "tanh"}, id="tanh"),
    pytest.param(RNNCell, nn.RNNCell, {"nonlinearity": "relu"}, id="relu"),
    pytest.param(LSTMCell, nn.LSTMCell, {}, id="lstm"),
    pytest.param(GRUCell, nn.GRUCell, {}, id="gru"),
]
CELLS = [RNNCell, LSTMCell, GRUCell]


def parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def state_for(cell: nn.Module, *shape: int) -> Any:
    h = torch.randn(*shape, H, dtype=torch.float64, requires_grad=True)
    if "LSTM" not in type(cell).__name__:
        return h
    return h, torch.randn(*shape, H, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("ours", "theirs", "keywords"), PAIRS)
def test_step_and_gradients_match_torch(ours: Any, theirs: Any, keywords: dict[str, str], bias: bool) -> None:
    cell = ours(I, H, bias, dtype=torch.float64, **keywords)
    other = theirs(I, H, bias, dtype=torch.float64, **keywords)
    other.load_state_dict(cell.state_dict())
    x = torch.randn(B, I, dtype=torch.float64, requires_grad=True)
    state = state_for(cell, B)
    results = []
    for module in (cell, other):
        new = parts(module(x, state))
        loss = sum((k + 1) * part.pow(2).sum() for k, part in enumerate(new))
        results.append([*new, *torch.autograd.grad(loss, [x, *parts(state), *module.parameters()])])
    for mine, torchs in zip(*results, strict=True):
        torch.testing.assert_close(mine, torchs, **EXACT)


@pytest.mark.parametrize(("ours", "theirs", "keywords"), PAIRS)
def test_initialization_matches_torch_for_the_same_seed(
    ours: Any, theirs: Any, keywords: dict[str, str]
) -> None:
    torch.manual_seed(3)
    cell = ours(I, H, **keywords)
    torch.manual_seed(3)
    other = theirs(I, H, **keywords)
    assert list(cell.state_dict()) == list(other.state_dict())
    for mine, torchs in zip(cell.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, torchs)
    cell.load_state_dict(other.state_dict())


@pytest.mark.parametrize(("ours", "theirs", "keywords"), PAIRS)
@pytest.mark.parametrize("batched", [True, False])
def test_forward_takes_the_arguments_of_torch(
    ours: Any, theirs: Any, keywords: dict[str, str], batched: bool
) -> None:
    cell, other = ours(I, H, **keywords), theirs(I, H, **keywords)
    other.load_state_dict(cell.state_dict())
    x = torch.randn(B, I) if batched else torch.randn(I)
    for mine, torchs in zip(parts(cell(x)), parts(other(x)), strict=True):
        torch.testing.assert_close(mine, torchs)
    assert repr(cell) == repr(other)
    assert repr(ours(I, H, False)) == repr(theirs(I, H, False))


@pytest.mark.parametrize("Cell", CELLS)
@pytest.mark.parametrize("layer_norm", [False, True])
def test_first_and_second_derivatives(Cell: Any, layer_norm: bool) -> None:
    cell = Cell(2, 3, dtype=torch.float64, layer_norm=layer_norm)
    x = torch.randn(2, 2, dtype=torch.float64, requires_grad=True)
    state = tuple(
        torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in parts(cell.initial_state(2))
    )

    def run(x: Tensor, *state: Tensor) -> Any:
        return cell(x, state if len(state) == 2 else state[0])

    assert torch.autograd.gradcheck(run, (x, *state))
    assert torch.autograd.gradgradcheck(run, (x, *state))


@pytest.mark.parametrize("Cell", CELLS)
def test_step_returns_output_and_state(Cell: Any) -> None:
    cell = Cell(I, H)
    x, state = torch.randn(B, I), cell.initial_state(B)
    output, new = cell.step(x, state)
    assert type(new) is type(state)
    assert output is parts(new)[0]
    assert [part.shape for part in parts(new)] == [(B, H)] * len(parts(state))
    for mine, called in zip(parts(new), parts(cell(x)), strict=True):
        assert torch.equal(mine, called)


def test_rnn_matches_its_equation() -> None:
    x, h, w = torch.randn(B, I), torch.randn(B, H), weights(1)
    a = x @ w.weight_ih.T + w.bias_ih + h @ w.weight_hh.T + w.bias_hh
    for step, phi in ((rnn_tanh_step, torch.tanh), (rnn_relu_step, torch.relu)):
        new, gates = step(input_product(x, w), h, w)
        torch.testing.assert_close(new, phi(a))
        assert gates.h is new


def test_lstm_matches_its_equation() -> None:
    x, h, c, w = torch.randn(B, I), torch.randn(B, H), torch.randn(B, H), weights(4)
    a = x @ w.weight_ih.T + w.bias_ih + h @ w.weight_hh.T + w.bias_hh
    i, f, g, o = (
        a[:, :H].sigmoid(),
        a[:, H : 2 * H].sigmoid(),
        a[:, 2 * H : 3 * H].tanh(),
        a[:, 3 * H :].sigmoid(),
    )
    new, gates = lstm_step(input_product(x, w), LSTMState(h, c), w)
    for mine, expected in zip(gates, (i, f, g, o, f * c + i * g), strict=True):
        torch.testing.assert_close(mine, expected)
    torch.testing.assert_close(new.c, f * c + i * g)
    torch.testing.assert_close(new.h, o * torch.tanh(f * c + i * g))


def test_gru_matches_its_equation() -> None:
    x, h, w = torch.randn(B, I), torch.randn(B, H), weights(3)
    a, b = x @ w.weight_ih.T + w.bias_ih, h @ w.weight_hh.T + w.bias_hh
    r, z = (a + b)[:, :H].sigmoid(), (a + b)[:, H : 2 * H].sigmoid()
    n = torch.tanh(a[:, 2 * H :] + r * b[:, 2 * H :])
    new, gates = gru_step(input_product(x, w), h, w, None)
    # The layer normalization's blocks do not matter without a gain.
    for mine, expected in zip((*gates, new), (r, z, n, (1 - z) * n + z * h), strict=True):
        torch.testing.assert_close(mine, expected)


def test_layer_norm_of_an_lstm_normalizes_both_products_and_the_cell() -> None:
    cell = LSTMCell(I, H, layer_norm=True)
    randomize(cell)
    x, h, c = torch.randn(B, I), torch.randn(B, H), torch.randn(B, H)
    a = F.layer_norm(x @ cell.weight_ih.T, [4 * H]) * cell.gain_ih + cell.bias_ih
    a = a + F.layer_norm(h @ cell.weight_hh.T, [4 * H]) * cell.gain_hh + cell.bias_hh
    i, f, g, o = a.chunk(4, dim=1)
    new_c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    new_h = o.sigmoid() * torch.tanh(F.layer_norm(new_c, [H]) * cell.gain_c + cell.shift_c)
    new = cell(x, (h, c))
    torch.testing.assert_close(new.c, new_c)
    torch.testing.assert_close(new.h, new_h)


def test_layer_norm_of_a_gru_normalizes_gates_and_candidate_separately() -> None:
    cell = GRUCell(I, H, layer_norm=True)
    randomize(cell)
    x, h = torch.randn(B, I), torch.randn(B, H)

    def norm(product: Tensor) -> Tensor:
        gates, candidate = product[:, : 2 * H], product[:, 2 * H :]
        return torch.cat([F.layer_norm(gates, [2 * H]), F.layer_norm(candidate, [H])], dim=1)

    a = norm(x @ cell.weight_ih.T) * cell.gain_ih + cell.bias_ih
    b = norm(h @ cell.weight_hh.T) * cell.gain_hh + cell.bias_hh
    r, z = (a + b)[:, :H].sigmoid(), (a + b)[:, H : 2 * H].sigmoid()
    n = torch.tanh(a[:, 2 * H :] + r * b[:, 2 * H :])
    torch.testing.assert_close(cell(x, h), (1 - z) * n + z * h)


def test_layer_norm_of_an_rnn_normalizes_both_products() -> None:
    cell = RNNCell(I, H, bias=False, layer_norm=True)
    randomize(cell)
    x, h = torch.randn(B, I), torch.randn(B, H)
    a = F.layer_norm(x @ cell.weight_ih.T, [H]) * cell.gain_ih
    a = a + F.layer_norm(h @ cell.weight_hh.T, [H]) * cell.gain_hh
    torch.testing.assert_close(cell(x, h), torch.tanh(a))
    assert "layer_norm=True" in repr(cell)


@pytest.mark.parametrize("Cell", CELLS)
def test_layer_norm_has_gain_one_and_no_shift_initially(Cell: Any) -> None:
    parameters = dict(Cell(I, H, layer_norm=True).named_parameters())
    assert all((value == 1).all() for name, value in parameters.items() if name.startswith("gain"))
    assert all((value == 0).all() for name, value in parameters.items() if name.startswith("shift"))
    assert ("gain_c" in parameters) == (Cell is LSTMCell)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4), r"^GRUCell: input_size must be an int >= 1\. Got 0\.$"),
        ((3, -1), r"^GRUCell: hidden_size must be an int >= 1\. Got -1\.$"),
        ((3, 2.0), r"^GRUCell: hidden_size must be an int >= 1\. Got 2\.0\.$"),
        ((3, True), r"^GRUCell: hidden_size must be an int >= 1\. Got True\.$"),
        ((3, 4, 1), r"^GRUCell: bias must be True or False\. Got 1\.$"),
    ],
)
def test_invalid_arguments_are_refused_by_name(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GRUCell(*arguments)


def test_invalid_options_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"^RNNCell: layer_norm must be True or False\. Got yes\.$"):
        RNNCell(3, 4, layer_norm="yes")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r'^RNNCell: nonlinearity must be "tanh" or "relu"\. Got sin\.$'):
        RNNCell(3, 4, nonlinearity="sin")


def test_invalid_tensors_are_refused_by_name() -> None:
    cell = LSTMCell(3, 4)
    zeros = torch.zeros
    with pytest.raises(DataError, match=r"^LSTMCell: input must be \(B, 3\) or \(3,\)\. Got \(2, 5\)\.$"):
        cell(zeros(2, 5))
    with pytest.raises(DataError, match=r"^LSTMCell: input must be \(B, 3\) or \(3,\)\. Got \(1, 2, 3\)\.$"):
        cell(zeros(1, 2, 3))
    with pytest.raises(DataError, match=r"^LSTMCell: c of the state must be \(2, 4\)\. Got \(2, 3\)\.$"):
        cell(zeros(2, 3), (zeros(2, 4), zeros(2, 3)))
    with pytest.raises(DataError, match=r"^LSTMCell: h of the state must be \(2, 4\)\. Got list\.$"):
        cell(zeros(2, 3), ([0.0], zeros(2, 4)))
    with pytest.raises(DataError, match=r"^LSTMCell: the state must be a pair \(h, c\)\. Got Tensor\.$"):
        cell(zeros(2, 3), zeros(2, 4))
    with pytest.raises(DataError, match=r"^LSTMCell: input must be a tensor\. Got list\.$"):
        cell([[1.0, 2.0, 3.0]])
    with pytest.raises(
        DataError, match=r"^LSTMCell: c of the state must be torch\.float32, as the weights are\."
    ):
        cell(zeros(2, 3), (zeros(2, 4), zeros(2, 4).double()))
    with pytest.raises(
        DataError, match=r"^GRUCell: the state must be torch\.float32, as the weights are\. Got to"
    ):
        GRUCell(3, 4)(zeros(2, 3), zeros(2, 4).double())
    expected = r"input must be torch\.float32, as the weights are\. Got torch\.float64\. Convert it with"
    with pytest.raises(DataError, match=expected):
        cell(zeros(2, 3).double())


def weights(gates: int) -> Weights:
    G = gates * H
    return Weights(torch.randn(G, I), torch.randn(G, H), torch.randn(G), torch.randn(G))


def randomize(cell: nn.Module) -> None:
    for parameter in cell.parameters():
        nn.init.normal_(parameter)
