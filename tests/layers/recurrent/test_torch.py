"""The recurrent layers against torch.nn's: weights, outputs, states, gradients and calls."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqloom.errors import ConfigError
from seqloom.kernels import torch_backend
from seqloom.layers.recurrent.layer import GRU, LSTM, RNN, LSTMState

# torch warns once in float32, for its own LSTM with a projection too.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

T, B, I, H = 5, 4, 3, 6  # noqa: E741
LENGTHS = [2, 5, 1, 4]
# The same float64 equation, at most with its sums in another order: gradients of some 100 terms near 1.
EXACT = {"rtol": 0, "atol": 1e-10}

LAYERS = [
    pytest.param(RNN, nn.RNN, {}, id="tanh"),
    pytest.param(RNN, nn.RNN, {"nonlinearity": "relu"}, id="relu"),
    pytest.param(LSTM, nn.LSTM, {}, id="lstm"),
    pytest.param(LSTM, nn.LSTM, {"proj_size": 2}, id="lstm-projected"),
    pytest.param(GRU, nn.GRU, {}, id="gru"),
]


def parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def random_state(layer: Any, batch: int = B) -> Any:
    L = layer.num_layers * (1 + layer.bidirectional)
    h = random(L, batch, layer.proj_size or H)
    return (h, random(L, batch, H)) if layer.mode == "LSTM" else h


def twins(ours: Any, theirs: Any, **arguments: Any) -> tuple[Any, Any]:
    other = theirs(I, H, dtype=torch.float64, **arguments)
    layer = ours(I, H, dtype=torch.float64, **arguments)
    layer.load_state_dict(other.state_dict())
    return layer, other


def results(layer: Any, run: Any, x: Tensor, state: Any) -> list[Tensor]:
    """Output, state, and the gradients of input, state and parameters."""
    output, new = run(x, state)
    values = [output, *parts(new)]
    loss = sum((k + 1) * value.pow(2).sum() for k, value in enumerate(values))
    return [*values, *torch.autograd.grad(loss, [x, *parts(state), *layer.parameters()])]


@pytest.mark.parametrize("kernel", ["torch", "reference"])
@pytest.mark.parametrize("with_lengths", [False, True], ids=["full", "lengths"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_outputs_states_and_gradients(
    ours: Any, theirs: Any, keywords: dict[str, Any], num_layers: int, bidirectional: bool,
    with_lengths: bool, kernel: str,
) -> None:  # fmt: skip
    other = theirs(I, H, num_layers, bidirectional=bidirectional, dtype=torch.float64, **keywords)
    layer = ours(
        I, H, num_layers, bidirectional=bidirectional, dtype=torch.float64, kernel=kernel, **keywords
    )
    layer.load_state_dict(other.state_dict())
    x, state = random(T, B, I), random_state(layer)

    def packed(x: Tensor, state: Any) -> Any:
        output, new = other(pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False), state)
        return pad_packed_sequence(output)[0], new

    if with_lengths:
        mine = results(layer, lambda x, state: layer(x, state, LENGTHS), x, state)
        expected = results(other, packed, x, state)
    else:
        mine, expected = results(layer, layer, x, state), results(other, other, x, state)
    for value, torchs in zip(mine, expected, strict=True):
        torch.testing.assert_close(value, torchs, **EXACT)


@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_initialization_matches_torch_for_the_same_seed(
    ours: Any, theirs: Any, keywords: dict[str, Any], bias: bool, bidirectional: bool
) -> None:
    arguments = {"bias": bias, "bidirectional": bidirectional, **keywords}
    torch.manual_seed(7)
    other = theirs(I, H, 2, **arguments)
    after = torch.get_rng_state()
    torch.manual_seed(7)
    layer = ours(I, H, 2, **arguments)
    assert torch.equal(torch.get_rng_state(), after)
    for (name, mine), (its_name, its) in zip(layer.named_parameters(), other.named_parameters(), strict=True):
        assert name == its_name
        assert torch.equal(mine, its)
    named = zip(layer.all_weights, other.all_weights, strict=True)
    assert all(torch.equal(a, b) for mine, its in named for a, b in zip(mine, its, strict=True))
    torch.manual_seed(8)
    other.reset_parameters()
    torch.manual_seed(8)
    layer.reset_parameters()
    assert torch.equal(layer.weight_hh_l1, other.weight_hh_l1)


@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_state_dict_is_compatible_with_torch(ours: Any, theirs: Any, keywords: dict[str, Any]) -> None:
    layer, other = ours(I, H, 2, **keywords), theirs(I, H, 2, **keywords)
    layer.load_state_dict(other.state_dict(), strict=True)
    assert list(layer.state_dict()) == list(other.state_dict())
    assert all(torch.equal(layer.state_dict()[name], value) for name, value in other.state_dict().items())
    layer.reset_parameters()
    other.load_state_dict(layer.state_dict(), strict=True)
    assert all(torch.equal(other.state_dict()[name], value) for name, value in layer.state_dict().items())


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_batch_first(ours: Any, theirs: Any, keywords: dict[str, Any], batch_first: bool) -> None:
    layer, other = twins(ours, theirs, num_layers=2, batch_first=batch_first, **keywords)
    x = random(2, 7, I)
    state = random_state(layer, 2 if batch_first else 7)
    for value, torchs in zip(results(layer, layer, x, state), results(other, other, x, state), strict=True):
        torch.testing.assert_close(value, torchs, **EXACT)


@pytest.mark.parametrize("kernel", ["torch", "reference"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_unbatched_input(
    ours: Any, theirs: Any, keywords: dict[str, Any], batch_first: bool, kernel: str
) -> None:
    other = theirs(I, H, 2, batch_first=batch_first, dtype=torch.float64, **keywords)
    layer = ours(I, H, 2, batch_first=batch_first, dtype=torch.float64, kernel=kernel, **keywords)
    layer.load_state_dict(other.state_dict())
    x, state = torch.randn(T, I).double(), random_state(layer, 1)
    state = state.squeeze(1) if isinstance(state, Tensor) else tuple(part.squeeze(1) for part in state)
    for start in (None, state):
        (output, new), (expected, its) = layer(x, start), other(x, start)
        torch.testing.assert_close(output, expected, **EXACT)
        for mine, torchs in zip(parts(new), parts(its), strict=True):
            torch.testing.assert_close(mine, torchs, **EXACT)
    short, _ = layer(x, lengths=[2])
    torch.testing.assert_close(short[:2], other(x[:2])[0], **EXACT)
    assert short.shape == output.shape
    assert (short[2:] == 0).all()


@pytest.mark.parametrize("kernel", ["torch", "reference"])
@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_packed_sequence(
    ours: Any, theirs: Any, keywords: dict[str, Any], enforce_sorted: bool, kernel: str
) -> None:
    other = theirs(I, H, 2, bidirectional=True, dtype=torch.float64, **keywords)
    layer = ours(I, H, 2, bidirectional=True, dtype=torch.float64, kernel=kernel, **keywords)
    layer.load_state_dict(other.state_dict())
    lengths = torch.tensor(sorted(LENGTHS, reverse=True) if enforce_sorted else LENGTHS)
    packed = pack_padded_sequence(random(T, B, I), lengths, enforce_sorted=enforce_sorted)
    for start in (None, random_state(layer)):
        (output, new), (expected, its) = layer(packed, start), other(packed, start)
        assert isinstance(output, PackedSequence)
        torch.testing.assert_close(output.data, expected.data, **EXACT)
        for mine, torchs in zip(parts(new), parts(its), strict=True):
            torch.testing.assert_close(mine, torchs, **EXACT)
        for mine, torchs in zip(pad_packed_sequence(output), pad_packed_sequence(expected), strict=True):
            torch.testing.assert_close(mine, torchs, **EXACT)


@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
@pytest.mark.parametrize("kernel", ["torch", "reference"])
def test_dropout_between_layers_matches_torch(
    ours: Any, theirs: Any, keywords: dict[str, Any], kernel: str
) -> None:
    layer, other = twins(ours, theirs, num_layers=3, dropout=0.5, **keywords)
    layer.kernel = kernel
    x = torch.randn(T, B, I).double()
    torch.manual_seed(5)
    mine, _ = layer(x)
    torch.manual_seed(5)
    expected, _ = other(x)
    torch.testing.assert_close(mine, expected, **EXACT)
    torch.testing.assert_close(layer.eval()(x)[0], other.eval()(x)[0], **EXACT)
    assert not torch.allclose(layer(x)[0], expected)


@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_repr_and_attributes_match_torch(ours: Any, theirs: Any, keywords: dict[str, Any]) -> None:
    arguments = {"bias": False, "batch_first": True, "dropout": 0.25, "bidirectional": True, **keywords}
    layer, other = ours(I, H, 2, **arguments), theirs(I, H, 2, **arguments)
    assert repr(layer) == repr(other)
    assert repr(ours(I, H)) == repr(theirs(I, H))
    names = ("mode", "input_size", "hidden_size", "num_layers", *arguments)
    assert [getattr(layer, name) for name in names] == [getattr(other, name) for name in names]
    assert layer.flatten_parameters() is None


def test_positional_arguments_match_torch() -> None:
    assert repr(RNN(I, H, 2, "relu", False, True, 0.5, True)) == repr(
        nn.RNN(I, H, 2, "relu", False, True, 0.5, True)
    )
    for ours, theirs in ((GRU, nn.GRU), (LSTM, nn.LSTM)):
        arguments = (I, H, 2, False, True, 0.5, True)
        assert repr(ours(*arguments)) == repr(theirs(*arguments))
    assert LSTM(I, H, 1, True, False, 0.0, False, 2).weight_hr_l0.shape == (2, H)


def test_lstm_state_is_a_named_pair() -> None:
    layer = LSTM(I, H)
    _, state = layer(torch.randn(T, B, I))
    assert isinstance(state, LSTMState)
    h, c = state
    assert h is state.h
    assert c is state.c
    again, _ = layer(torch.randn(T, B, I), [h, c])
    assert again.shape == (T, B, H)


@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_dtypes(ours: Any, theirs: Any, keywords: dict[str, Any], dtype: torch.dtype) -> None:
    layer, other = (
        ours(I, H, dtype=dtype, kernel="torch", **keywords),
        theirs(I, H, dtype=dtype, **keywords),
    )
    layer.load_state_dict(other.state_dict())
    x = torch.randn(T, B, I, dtype=dtype)
    (mine, state), (expected, _) = layer(x), other(x)
    assert mine.dtype == parts(state)[0].dtype == dtype
    torch.testing.assert_close(mine, expected)
    reference = ours(I, H, dtype=dtype, kernel="reference", **keywords)
    reference.load_state_dict(layer.state_dict())
    # bfloat16 keeps 8 bits, so each of 5 steps rounds by 2^-9 of values up to 1, or larger ones with relu.
    tolerance = {"rtol": 0, "atol": 1e-5 if dtype == torch.float32 else 0.05}
    torch.testing.assert_close(reference(x)[0], expected, **tolerance)


@pytest.mark.parametrize("options", [{"kernel": "torch"}, {"kernel": "reference"}, {"layer_norm": True}])
@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_autocast(ours: Any, theirs: Any, keywords: dict[str, Any], options: dict[str, Any]) -> None:
    layer = ours(I, H, 2, **keywords, **options)
    x = torch.randn(T, B, I)
    exact, _ = layer(x)
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False)
    runs_onednn = ours is LSTM and not keywords and layer.kernel == "torch"
    if runs_onednn and not torch_backend.onednn_runs_lstm(torch.bfloat16, True):
        refused = r"^LSTM: kernel='torch' cannot do this: torch's LSTM does not run in torch\.bfloat16"
        with torch.autocast("cpu", dtype=torch.bfloat16), pytest.raises(ConfigError, match=refused):
            layer(x)
        return
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, state = layer(x)
        ragged, _ = layer(x, lengths=LENGTHS)
        results = [layer(x[:2]), layer(x, lengths=LENGTHS), layer(x, lengths=[0] * B), layer(x[:0])]
        results += [layer(x, state), layer.trace(x)[:2], (layer(packed)[0].data, layer(packed)[1])]
    types = {value.dtype for output, state in results for value in (output, *parts(state))}
    assert types == {torch.bfloat16}
    # bfloat16 keeps 8 bits, so each of 5 steps in 2 layers rounds by 2^-9 of values up to 1; a layer norm
    # scales them up by at most 2 more.
    tolerance = {"rtol": 0, "atol": 0.1 if "layer_norm" in options else 0.05}
    torch.testing.assert_close(output.float(), exact, **tolerance)
    torch.testing.assert_close(ragged[0].float(), exact[0], **tolerance)
    output.float().sum().backward()


@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_autocast_does_not_change_float64(ours: Any, theirs: Any, keywords: dict[str, Any]) -> None:
    for kernel in ("torch", "reference"):
        layer = ours(I, H, dtype=torch.float64, kernel=kernel, **keywords)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output, state = layer(torch.randn(T, B, I).double(), lengths=LENGTHS)
        assert {value.dtype for value in (output, *parts(state))} == {torch.float64}


@pytest.mark.parametrize(("ours", "theirs", "keywords"), LAYERS)
def test_deepcopy_and_functional_call(ours: Any, theirs: Any, keywords: dict[str, Any]) -> None:
    layer = ours(I, H, **keywords)
    x = torch.randn(T, B, I)
    assert torch.equal(copy.deepcopy(layer)(x)[0], layer(x)[0])
    zeros = {name: torch.zeros_like(value) for name, value in layer.named_parameters()}
    assert (torch.func.functional_call(layer, zeros, (x,))[0] == 0).all()
    assert layer(x)[0].abs().sum() > 0


@pytest.mark.parametrize("kernel", ["torch", "reference"])
@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_first_and_second_derivatives(Layer: Any, kernel: str) -> None:
    layer = Layer(2, 2, bidirectional=True, dtype=torch.float64, kernel=kernel)
    x = random(3, 2, 2)
    state = tuple(part.requires_grad_() for part in parts(layer.initial_state(2)))

    def run(x: Tensor, *state: Tensor) -> Tensor:
        return layer(x, state if len(state) == 2 else state[0], [2, 3])[0]

    assert torch.autograd.gradcheck(run, (x, *state))
    assert torch.autograd.gradgradcheck(run, (x, *state))


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_second_derivatives_of_the_float32_kernel(Layer: Any) -> None:
    layer = Layer(I, H, kernel="torch")
    x = torch.randn(T, B, I, requires_grad=True)

    def second() -> list[Tensor]:
        first = torch.autograd.grad(layer(x)[0].pow(2).sum(), [x, layer.weight_hh_l0], create_graph=True)
        return list(torch.autograd.grad(sum(g.pow(2).sum() for g in first), [x, layer.weight_hh_l0]))

    fast = second()
    layer.kernel = "reference"
    for mine, expected in zip(fast, second(), strict=True):
        # float32, and sums of some 1000 products of values up to 10.
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)
