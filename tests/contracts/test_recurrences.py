"""The contract of every recurrent layer, with every option that changes its results."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from seqloom.cells.gru import GRUCell
from seqloom.cells.lstm import LSTMCell
from seqloom.cells.rnn import RNNCell
from seqloom.layers.recurrent import GRU, LSTM, RNN
from seqloom.state import map_state, select_rows

# torch warns once in float32, for its own LSTM with a projection too.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

T, B, I, H = 6, 4, 3, 5  # noqa: E741
# The same computation in float64, on other shapes: rounding is about 1e-16 of values near 1, or larger ones
# with relu; gradients are sums of about 100 terms.
EXACT = {"rtol": 1e-10, "atol": 1e-11}

PLAIN = [
    pytest.param(RNN, {}, id="tanh"),
    pytest.param(RNN, {"nonlinearity": "relu"}, id="relu"),
    pytest.param(LSTM, {}, id="lstm"),
    pytest.param(LSTM, {"proj_size": 2}, id="lstm-projected"),
    pytest.param(GRU, {}, id="gru"),
]
OPTIONS = [
    pytest.param(Layer, options, id=f"{Layer.__name__.lower()}-{next(iter(options))}")
    for Layer in (RNN, LSTM, GRU)
    for options in ({"layer_norm": True}, {"zoneout": 0.3}, {"learn_initial_state": True})
]
ALL = PLAIN + OPTIONS
KERNELS = ["torch", "reference"]


def build(Layer: Any, options: dict[str, Any], **more: Any) -> Any:
    """A layer in evaluation mode, where nothing is random, with parameters that are all in use."""
    layer = Layer(I, H, 2, dtype=torch.float64, **options, **more).eval()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return layer


def parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def assert_close(mine: Any, expected: Any) -> None:
    for value, other in zip(parts(mine), parts(expected), strict=True):
        torch.testing.assert_close(value, other, **EXACT)


def kernels_of(layer: Any) -> list[str]:
    return KERNELS if layer.choice(torch.zeros(1, 1, I).double()).kernel == "torch" else ["reference"]


@pytest.mark.parametrize(("Layer", "options"), ALL)
def test_steps_match_the_whole_sequence_on_every_kernel(Layer: Any, options: dict[str, Any]) -> None:
    layer = build(Layer, options)
    x = torch.randn(T, B, I, dtype=torch.float64)
    layer.kernel = "reference"
    output, last = layer(x)
    layer.kernel = "auto"
    for kernel in kernels_of(layer):
        layer.kernel = kernel
        whole, end = layer(x)
        assert_close(whole, output)
        assert_close(end, last)
        state = layer.initial_state(B)
        for t in range(T):
            h, state = layer.step(x[t : t + 1], state)
            assert_close(h[0], output[t])
        assert_close(state, last)
        assert type(state) is type(last)


@settings(max_examples=8)
@given(cuts=st.lists(st.integers(0, T), max_size=4))
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("Layer", "options"), ALL)
def test_chunks_match_the_whole_sequence(
    Layer: Any, options: dict[str, Any], batch_first: bool, cuts: list[int]
) -> None:
    layer = build(Layer, options, batch_first=batch_first)
    x = torch.randn(T, B, I, dtype=torch.float64)
    time = 1 if batch_first else 0
    x = x.transpose(0, 1) if batch_first else x
    whole, last = layer(x)
    state, outputs = None, []
    bounds = [0, *sorted(cuts), T]
    for start, end in pairwise(bounds):
        output, state = layer.step(x.narrow(time, start, end - start), state)
        outputs.append(output)
    assert_close(torch.cat(outputs, dim=time), whole)
    assert_close(state, last)


@settings(max_examples=6)
@given(lengths=st.lists(st.integers(0, T), min_size=1, max_size=4), padding=st.integers(0, 3))
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize(("Layer", "options"), ALL)
def test_results_do_not_depend_on_padding_or_batch(
    Layer: Any, options: dict[str, Any], bidirectional: bool, lengths: list[int], padding: int
) -> None:
    layer = build(Layer, options, bidirectional=bidirectional)
    for kernel in kernels_of(layer):
        layer.kernel = kernel
        rows = [torch.randn(length, 1, I, dtype=torch.float64) for length in lengths]
        start = None  # so that a learned one has a gradient too
        if not layer.learn_initial_state:
            start = map_state(lambda t: torch.randn_like(t), layer.initial_state(len(lengths)))
        together = torch.full((max(lengths) + padding, len(lengths), I), torch.nan, dtype=torch.float64)
        for index, row in enumerate(rows):
            together[: len(row), index] = row[:, 0]
        together.requires_grad_()
        output, state = layer(together, start, lengths)
        weights = list(layer.parameters())
        loss = output.pow(2).sum() + sum(part.pow(3).sum() for part in parts(state))
        total = 0.0
        for index, row in enumerate(rows):
            one = None if start is None else select_rows(start, torch.tensor([index]))
            alone, end = layer(row.requires_grad_(), one)
            total = total + alone.pow(2).sum() + sum(part.pow(3).sum() for part in parts(end))
            assert_close(output[: len(row), index], alone[:, 0])
            assert (output[len(row) :, index] == 0).all()
            assert_close(select_rows(state, torch.tensor([index])), end)
        if sum(lengths) == 0:
            continue  # no step was computed, so no gradient exists
        gradients = torch.autograd.grad(loss, [together, *weights], allow_unused=True)
        expected = torch.autograd.grad(total, [*rows, *weights], allow_unused=True)
        for index, row in enumerate(rows):
            mine = gradients[0][:, index : index + 1]
            assert_close(
                mine[: len(row)], torch.zeros_like(row) if expected[index] is None else expected[index]
            )
            assert (mine[len(row) :] == 0).all()
        for mine, other in zip(gradients[1:], expected[len(rows) :], strict=True):
            assert_close(mine, other)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("Layer", "options"), PLAIN)
def test_rows_of_length_zero_keep_the_initial_state(
    Layer: Any, options: dict[str, Any], batch_first: bool, kernel: str
) -> None:
    layer = build(Layer, options, bidirectional=True, batch_first=batch_first, kernel=kernel)
    x = torch.randn(B, T, I, dtype=torch.float64)
    x = x if batch_first else x.transpose(0, 1)
    start = map_state(lambda t: torch.randn_like(t), layer.initial_state(B))
    output, state = layer(x, start, torch.tensor([0, 3, 0, 6]))
    output = output if batch_first else output.transpose(0, 1)
    rows = torch.tensor([0, 2])
    assert (output[rows] == 0).all()
    for mine, old in zip(parts(select_rows(state, rows)), parts(select_rows(start, rows)), strict=True):
        assert torch.equal(mine, old)
    none, final = layer(x, start, [0] * B)
    assert none.shape == layer(x, start)[0].shape
    assert (none == 0).all()
    for mine, old in zip(parts(final), parts(start), strict=True):
        assert torch.equal(mine, old)
        assert mine.data_ptr() != old.data_ptr()


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_zoneout_with_probability_one_returns_the_initial_state(Layer: Any) -> None:
    layer = build(Layer, {"zoneout": 1.0}).train()
    x = torch.full((T, B, I), torch.nan, dtype=torch.float64)
    lengths = [2, 6, 0, 3]
    for row, length in enumerate(lengths):
        x[:length, row] = 1
    x.requires_grad_()
    start = map_state(lambda t: torch.randn_like(t).requires_grad_(), layer.initial_state(B))
    output, state = layer(x, start, lengths)
    for mine, old in zip(parts(state), parts(start), strict=True):
        assert torch.equal(mine, old)
    leaves = [x, *parts(start), *layer.parameters()]
    loss = output.sum() + sum(part.pow(2).sum() for part in parts(state))
    gradients = torch.autograd.grad(loss, leaves)
    assert all(gradient.isfinite().all() for gradient in gradients)


# torch's compiler reads the .grad of tensors between two graphs, of which torch warns.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf Tensor")
def test_compiled_layer_takes_lengths() -> None:
    layer = build(LSTM, {})
    x = torch.randn(T, B, I, dtype=torch.float64)
    lengths = [2, 6, 0, 3]
    for each in (lengths, [0] * B):
        torch.compiler.reset()
        output, state = torch.compile(layer, backend="eager")(x, lengths=each)
        expected, last = layer(x, lengths=each)
        assert_close(output, expected)
        assert_close(state, last)
    packed = pack_padded_sequence(x, torch.tensor([6, 3, 2, 1]))
    torch.compiler.reset()
    assert_close(torch.compile(layer, backend="eager")(packed)[0].data, layer(packed)[0].data)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("Layer", "options"), PLAIN)
def test_empty_batches_and_sequences(Layer: Any, options: dict[str, Any], kernel: str) -> None:
    layer = build(Layer, options, bidirectional=True, kernel=kernel)
    width = 2 * (options.get("proj_size") or H)
    for shape in ((0, B, I), (T, 0, I), (0, 0, I)):
        x = torch.zeros(shape, dtype=torch.float64)
        for lengths in (None, [0] * shape[1]):
            output, state = layer(x, lengths=lengths)
            assert output.shape == (*shape[:2], width)
            assert_close(state, layer.initial_state(shape[1]))


@pytest.mark.parametrize(("Layer", "options"), ALL)
def test_lengths_may_be_a_list_or_a_tensor(Layer: Any, options: dict[str, Any]) -> None:
    layer = build(Layer, options)
    x = torch.randn(T, B, I, dtype=torch.float64)
    lengths = [2, 6, 0, 3]
    forms = [
        torch.tensor(lengths),
        torch.tensor(lengths).int(),
        numpy.array(lengths),
        list(numpy.array(lengths)),
    ]
    for form in forms:
        assert torch.equal(layer(x, lengths=lengths)[0], layer(x, lengths=form)[0])
    assert_close(layer(x, lengths=[T] * B)[0], layer(x)[0])


@pytest.mark.parametrize(("Layer", "options"), ALL)
def test_save_and_load(Layer: Any, options: dict[str, Any]) -> None:
    layer, other = build(Layer, options), build(Layer, options)
    x = torch.randn(T, B, I, dtype=torch.float64)
    assert not torch.equal(layer(x)[0], other(x)[0])
    other.load_state_dict(load(save(layer.state_dict())))
    assert torch.equal(layer(x)[0], other(x)[0])
    stream = io.BytesIO()
    torch.save(layer, stream)
    stream.seek(0)
    assert torch.equal(layer(x)[0], torch.load(stream, weights_only=False)(x)[0])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("Layer", "options"), PLAIN)
def test_run_has_no_side_effects(Layer: Any, options: dict[str, Any], kernel: str) -> None:
    layer = build(Layer, options, kernel=kernel)
    x = torch.randn(T, B, I, dtype=torch.float64)
    copy = x.clone()
    start = layer.initial_state(B)
    before = {name: repr(value) for name, value in vars(layer).items()}
    first, _ = layer(x, start)
    layer.trace(x, start, [1] * B)
    again, _ = layer(x, start)
    assert torch.equal(first, again)
    assert torch.equal(x, copy)
    assert all((part == 0).all() for part in parts(start))
    assert {name: repr(value) for name, value in vars(layer).items()} == before


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(("Layer", "Cell"), [(RNN, RNNCell), (LSTM, LSTMCell), (GRU, GRUCell)])
def test_cell_steps_match_the_layer(Layer: Any, Cell: Any, layer_norm: bool) -> None:
    layer = Layer(I, H, layer_norm=layer_norm, dtype=torch.float64)
    cell = Cell(I, H, layer_norm=layer_norm, dtype=torch.float64)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x = torch.randn(T, B, I, dtype=torch.float64)
    whole, last = layer(x)
    state = cell.initial_state(B)
    for t in range(T):
        output, state = cell.step(x[t], state)
        assert_close(output, whole[t])
    assert_close(state, map_state(lambda part: part[0], last))


@pytest.mark.parametrize(("Layer", "options"), PLAIN)
def test_overfits_a_tiny_batch(Layer: Any, options: dict[str, Any]) -> None:
    layer, head = Layer(2, 16, **options), torch.nn.Linear(options.get("proj_size") or 16, 1)
    x, y = torch.randn(5, 2, 2), torch.randn(5, 2, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.03)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (head(layer(x)[0]) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    # Ten targets, more than a hundred weights: at most a hundredth of a variance near 1 remains.
    assert loss.item() < 0.01
