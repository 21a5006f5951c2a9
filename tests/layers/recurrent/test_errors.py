"""The errors of the recurrent layers."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from seqloom.errors import ConfigError, DataError
from seqloom.layers.recurrent import GRU, LSTM, RNN

T, B, I, H = 5, 4, 3, 6  # noqa: E741


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_size": 0}, r"GRU: hidden_size must be an int >= 1\. Got 0\."),
        ({"input_size": 2.5}, r"GRU: input_size must be an int >= 1\. Got 2\.5\."),
        ({"num_layers": -1}, r"GRU: num_layers must be an int >= 1\. Got -1\."),
        ({"num_layers": True}, r"GRU: num_layers must be an int >= 1\. Got True\."),
        ({"bias": 0}, r"GRU: bias must be True or False\. Got 0\."),
        ({"batch_first": "no"}, r"GRU: batch_first must be True or False\. Got no\."),
        ({"bidirectional": 2}, r"GRU: bidirectional must be True or False\. Got 2\."),
        ({"dropout": 1.5}, r"GRU: dropout must be a probability, 0 to 1\. Got 1\.5\."),
        ({"dropout": True}, r"GRU: dropout must be a probability, 0 to 1\. Got True\."),
        ({"layer_norm": 1}, r"GRU: layer_norm must be True or False\. Got 1\."),
        ({"orthogonal_init": 1}, r"GRU: orthogonal_init must be True or False\. Got 1\."),
        ({"learn_initial_state": None}, r"GRU: learn_initial_state must be True or False\. Got None\."),
        ({"recurrent_dropout": -0.1}, r"GRU: recurrent_dropout must be a probability, 0 to 1\. Got -0\.1\."),
        ({"weight_dropout": "a"}, r"GRU: weight_dropout must be a probability, 0 to 1\. Got a\."),
        ({"zoneout": 2}, r"GRU: zoneout must be a probability, 0 to 1\. Got 2\."),
        (
            {"zoneout": (0.1, 0.2)},
            r".*: zoneout must be a probability, or for an LSTM a pair \(of h, of c\)\. Got \(0\.1, 0\.2\)\.",
        ),
        ({"forget_gate_bias": 1.0}, r"GRU: forget_gate_bias is for an LSTM only\. Got 1\.0\."),
        (
            {"kernel": "fast"},
            r"GRU: kernel must name a kernel\. Got fast\. It is one of: auto, native, refe.*",
        ),
        ({"zone_out": 0.1}, r"GRU: there is no option 'zone_out'\. Did you mean `zoneout`\?"),
        (
            {"proj_size": 2},
            r"GRU: there is no option 'proj_size'\. It is one of: chrono_init, kernel, .*",
        ),
    ],
)
def test_arguments_of_a_gru(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        GRU(**{"input_size": I, "hidden_size": H, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"proj_size": H}, r"LSTM: proj_size must be an int, 0 to 5\. Got 6\."),
        ({"proj_size": -1}, r"LSTM: proj_size must be an int, 0 to 5\. Got -1\."),
        ({"zoneout": (0.1, 0.2, 0.3)}, r"LSTM: zoneout must be a probability, or for an LSTM a pair .*"),
        ({"zoneout": (0.1, 7)}, r"LSTM: zoneout must be a probability, 0 to 1\. Got 7\."),
        ({"forget_gate_bias": "1"}, r"LSTM: forget_gate_bias must be a number or None\. Got 1\."),
        ({"forget_gate_bias": 1.0, "bias": False}, r"LSTM: forget_gate_bias needs bias=True\. Got 1\.0\."),
        ({"chrono_init": 1}, r"LSTM: chrono_init must be an int, 2 to 1,000,000, in steps, or None\. .*"),
        ({"chrono_init": 10**400}, r"LSTM: chrono_init must be an int, 2 to 1,000,000, .*"),
        ({"chrono_init": True}, r"LSTM: chrono_init must be an int, .* Got True\."),
        ({"chrono_init": 9, "bias": False}, r"LSTM: chrono_init needs bias=True\. Got 9\."),
        (
            {"chrono_init": 9, "forget_gate_bias": 1.0},
            r"LSTM: chrono_init sets the forget gate's bias; leave forget_gate_bias out\.",
        ),
    ],
)
def test_arguments_of_an_lstm(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        LSTM(I, H, **arguments)


def test_chrono_init_needs_gates() -> None:
    message = r"^RNN: chrono_init needs a cell with gates, such as lstm or gru\. Got 9\.$"
    with pytest.raises(ConfigError, match=message):
        RNN(I, H, chrono_init=9)


def test_the_nonlinearity_of_an_rnn() -> None:
    with pytest.raises(ConfigError, match=r'^RNN: nonlinearity must be "tanh" or "relu"\. Got sine\.$'):
        RNN(I, H, nonlinearity="sine")


def test_dropout_in_a_single_layer_warns() -> None:
    message = r"^GRU: dropout is between layers, and there is one: dropout=0\.5 has no effect\.$"
    with pytest.warns(UserWarning, match=message) as caught:
        GRU(I, H, dropout=0.5)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((T, B, 7), r"input must be \(T, B, 3\), or \(T, 3\) without a batch\. Got \(5, 4, 7\)\."),
        ((T, 7), r"input must be \(T, B, 3\), or \(T, 3\) without a batch\. Got \(5, 7\)\."),
        ((I,), r"input must be \(T, B, 3\), or \(T, 3\) without a batch\. Got \(3,\)\."),
        ((1, T, B, I), r"input must be \(T, B, 3\), or \(T, 3\) without a batch\. Got \(1, 5, 4, 3\)\."),
    ],
)
@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_shapes_of_the_input(Layer: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^{Layer.__name__}: {message}$"):
        Layer(I, H)(torch.zeros(shape))


def test_input_of_the_wrong_type() -> None:
    layer = GRU(I, H, batch_first=True)
    with pytest.raises(DataError, match=r"^GRU: input must be a tensor or a PackedSequence\. Got list\.$"):
        layer([[1.0]])
    with pytest.raises(DataError, match=r"^GRU: input must be \(B, T, 3\), or \(T, 3\) without a batch\."):
        layer(torch.zeros(B, T, 1))
    expected = (
        r"^GRU: input must be torch\.float32, as the weights are\. Got torch\.float64\. "
        r"Convert it with \.to\(torch\.float32\), or the layer with \.to\(torch\.float64\)\.$"
    )
    with pytest.raises(DataError, match=expected):
        layer(torch.zeros(B, T, I, dtype=torch.float64))
    with pytest.raises(DataError, match=r"^GRU: the state must be torch\.float32, as the weights are\."):
        layer(torch.zeros(B, T, I), torch.zeros(1, B, H, dtype=torch.float64))


def test_shapes_of_the_state() -> None:
    x, h = torch.zeros(T, B, I), torch.zeros(1, B, H)
    with pytest.raises(DataError, match=r"^GRU: the state must be \(2, 4, 6\)\. Got \(1, 4, 6\)\.$"):
        GRU(I, H, 2)(x, h)
    with pytest.raises(DataError, match=r"^GRU: the state must be \(1, 4, 6\)\. Got tuple\.$"):
        GRU(I, H)(x, (h, h))
    with pytest.raises(DataError, match=r"^GRU: the state must be \(1, 6\)\. Got \(1, 1, 6\)\.$"):
        GRU(I, H)(x[:, 0], h[:, :1])
    with pytest.raises(DataError, match=r"^LSTM: the state must be a pair \(h, c\)\. Got Tensor\.$"):
        LSTM(I, H)(x, h)
    with pytest.raises(DataError, match=r"^LSTM: h of the state must be \(1, 4, 2\)\. Got \(1, 4, 6\)\.$"):
        LSTM(I, H, proj_size=2)(x, (h, h))
    with pytest.raises(DataError, match=r"^LSTM: c of the state must be \(1, 4, 6\)\. Got \(1, 4, 5\)\.$"):
        LSTM(I, H)(x, (h, h[..., :5]))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2, 3], r"lengths must be 4, one for each row\. Got 3\."),
        ([1, 2, 3, 6], r"lengths\[3\] must be 0 to 5, the steps of the input\. Got 6\."),
        ([1, -1, 3, 5], r"lengths\[1\] must be 0 to 5, the steps of the input\. Got -1\."),
        ([1, 2.0, 3, 5], r"lengths must be whole numbers, one for each row\. Got \[1, 2\.0, 3, 5\]\."),
        ([1, True, 3, 5], r"lengths must be whole numbers, one for each row\. Got \[1, True, 3, 5\]\."),
        (3, r"lengths must be whole numbers, one for each row\. Got 3\."),
        (
            numpy.ones(4),
            r"lengths must be whole numbers, one for each row\. Got array\(\[1\., 1\., 1\., 1\.\]\)\.",
        ),
        (torch.ones(4), r"lengths must be whole numbers of shape \(4,\)\. Got torch\.float32 \(4,\)\."),
        (torch.ones(4).bool(), r"lengths must be whole numbers of shape \(4,\)\. Got torch\.bool \(4,\)\."),
        (
            torch.ones(4, 1).long(),
            r"lengths must be whole numbers of shape \(4,\)\. Got torch\.int64 \(4, 1\)\.",
        ),
    ],
)
@pytest.mark.parametrize("kernel", ["torch", "reference"])
def test_lengths(lengths: Any, message: str, kernel: str) -> None:
    with pytest.raises(DataError, match=f"^LSTM: {message}$"):
        LSTM(I, H, kernel=kernel)(torch.zeros(T, B, I), lengths=lengths)


def test_only_forward_takes_a_packed_sequence() -> None:
    packed = pack_padded_sequence(torch.zeros(T, B, I), torch.tensor([5, 4, 2, 1]))
    layer = GRU(I, H)
    for call in (layer.trace, layer.choice):
        with pytest.raises(
            DataError,
            match=r"^GRU: only forward takes a PackedSequence\. Unpack it with torch\.nn\.utils\.rnn\.",
        ):
            call(packed)


def test_packed_sequences() -> None:
    packed = pack_padded_sequence(torch.zeros(T, B, I), torch.tensor([5, 4, 2, 1]))
    with pytest.raises(
        DataError, match=r"^GRU: a PackedSequence has its own lengths; lengths must be None\."
    ):
        GRU(I, H)(packed, lengths=[5, 4, 2, 1])
    with pytest.raises(DataError, match=r"^GRU: the packed data must be \(steps, 7\)\. Got \(12, 3\)\.$"):
        GRU(7, H)(packed)
    with pytest.raises(DataError, match=r"^GRU: input must be torch\.float64, as the weights are\."):
        GRU(I, H, dtype=torch.float64)(packed)


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_bidirectional_layer_cannot_step(Layer: Any) -> None:
    layer = Layer(I, H, bidirectional=True)
    message = (
        r"a bidirectional layer cannot step, as its reverse direction starts at a sequence's end\. "
        r"Give the whole sequence to forward, or build with bidirectional=False\."
    )
    with pytest.raises(ConfigError, match=f"^{Layer.__name__}: {message}$"):
        layer.step(torch.zeros(1, B, I))


def test_forced_kernel_that_cannot_run() -> None:
    layer = LSTM(I, H, layer_norm=True, zoneout=0.1, kernel="torch")
    expected = (
        r"^LSTM: kernel='torch' cannot do this: layer_norm and zoneout need the reference kernel\. "
        r'Leave kernel="auto"\.$'
    )
    for call in (layer, layer.step, layer.trace, layer.choice):
        with pytest.raises(ConfigError, match=expected):
            call(torch.zeros(T, B, I))
