"""A layer of any cell of the table: of known cells, and of one that only the table has."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from seqloom.cells.projections import Weights, hidden_product
from seqloom.cells.spec import CELL_TYPES, CELLS, CellSpec
from seqloom.errors import ConfigError
from seqloom.layers.convert import convert_recurrent
from seqloom.layers.recurrent import GRU, LSTM, RNN, Recurrent, generic, make_layer

T, B, I, H = 5, 3, 4, 6  # noqa: E741
LENGTHS = [2, 5, 0]


class LeakyGates(NamedTuple):
    f: Tensor


def leaky_step(a: Tensor, h: Tensor, w: Weights, mask: Tensor | None = None) -> tuple[Tensor, LeakyGates]:
    f = torch.sigmoid(a + hidden_product(h, w, mask))
    return f * h + (1 - f), LeakyGates(f)


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> str:
    """A cell that is in the table only."""
    monkeypatch.setitem(CELLS, "leaky", CellSpec("leaky", leaky_step, LeakyGates, 1, "leaky"))
    monkeypatch.setattr(generic, "CELL_TYPES", (*CELL_TYPES, "leaky"))
    return "leaky"


@pytest.mark.parametrize(
    ("name", "Layer", "options"),
    [
        ("rnn_tanh", RNN, {}), ("rnn_relu", RNN, {"nonlinearity": "relu"}), ("lstm", LSTM, {}),
        ("lstm", LSTM, {"zoneout": (0.1, 0.2), "forget_gate_bias": 1.0}), ("gru", GRU, {"layer_norm": True}),
    ],
)  # fmt: skip
def test_matches_the_class_of_a_known_cell(name: str, Layer: Any, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    expected = Layer(I, H, 2, bidirectional=True, **options)
    torch.manual_seed(0)
    options = {key: value for key, value in options.items() if key != "nonlinearity"}
    layer = Recurrent(name, I, H, 2, bidirectional=True, **options)
    assert list(layer.state_dict()) == list(expected.state_dict())
    x = torch.randn(T, B, I)
    for module in (layer, expected):
        module.eval()
    mine, theirs = layer(x, lengths=LENGTHS), expected(x, lengths=LENGTHS)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    assert layer.choice(x) == expected.choice(x)


def test_make_layer() -> None:
    assert [type(make_layer(name, I, H)) for name in ("rnn", "lstm", "gru")] == [RNN, LSTM, GRU]
    assert make_layer("rnn", I, H, nonlinearity="relu").nonlinearity == "relu"
    message = r"^make_layer: cell_type must be one of rnn, lstm, gru\. Got qrnn\.$"
    with pytest.raises(ConfigError, match=message):
        make_layer("qrnn", I, H)
    with pytest.raises(ConfigError, match=r"^Recurrent: cell must name a cell\. Got lstn\. Did you mean `ls"):
        Recurrent("lstn", I, H)


def test_unknown_cell_runs_on_the_reference_kernel(leaky: str) -> None:
    layer = make_layer(leaky, I, H, num_layers=2, bidirectional=True, batch_first=True)
    assert repr(layer) == "Recurrent(leaky, 4, 6, num_layers=2, batch_first=True, bidirectional=True)"
    x = torch.randn(B, T, I)
    assert layer.choice(x) == ("reference", "native has no leaky, and torch has no leaky")
    output, state, gates = layer.trace(x, lengths=LENGTHS)
    assert [gate.f.shape for gate in gates] == [(B, T, H)] * 4
    assert (output[0, 2:] == 0).all()
    assert (gates[0].f[0, 2:] == 0).all()
    torch.testing.assert_close(layer(x, lengths=LENGTHS), (output, state))
    packed = pack_padded_sequence(x[:2], torch.tensor([2, 5]), batch_first=True, enforce_sorted=False)
    torch.testing.assert_close(layer(packed)[1], state[:, :2])


def test_unknown_cell_with_every_option(leaky: str) -> None:
    layer = make_layer(
        leaky, I, H, num_layers=2, layer_norm=True, zoneout=0.2, recurrent_dropout=0.1, weight_dropout=0.1,
        learn_initial_state=True, orthogonal_init=True, dropout=0.1,
    )  # fmt: skip
    layer(torch.randn(T, B, I))[0].sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


@pytest.mark.parametrize("kernel", ["native", "torch"])
def test_kernels_without_the_cell_are_refused(leaky: str, kernel: str) -> None:
    layer = make_layer(leaky, I, H, kernel=kernel)
    message = rf"^Recurrent: kernel='{kernel}' cannot do this: {kernel} has no leaky\. Leave kernel="
    with pytest.raises(ConfigError, match=message):
        layer(torch.randn(T, B, I))


def test_options_of_an_lstm_are_for_cells_with_a_cell_state(leaky: str) -> None:
    with pytest.raises(ConfigError, match=r"^Recurrent: forget_gate_bias is for an LSTM only\. Got 1\."):
        make_layer(leaky, I, H, forget_gate_bias=1)
    with pytest.raises(ConfigError, match=r"^Recurrent: zoneout must be a probability"):
        make_layer(leaky, I, H, zoneout=(0.1, 0.1))


def test_conversion_to_torch_is_refused_by_name(leaky: str) -> None:
    model = nn.Sequential(nn.Linear(I, I), make_layer(leaky, I, H), make_layer("gru", H, H))
    message = r"^convert_recurrent: Recurrent at '1': torch\.nn has no layer of the cell leaky\.$"
    with pytest.raises(ConfigError, match=message):
        convert_recurrent(model, to="torch")
    assert type(model[2]) is GRU
    assert convert_recurrent(model) is model
