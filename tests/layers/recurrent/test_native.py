"""The recurrent layers on the compiled kernels match the reference, in every way of calling them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from seqloom.errors import ConfigError
from seqloom.kernels.native import library
from seqloom.layers.convert import convert_recurrent
from seqloom.layers.recurrent import GRU, LSTM
from seqloom.layers.recurrent import execution as layer_runs
from seqloom.state import select_rows

from .twins import CELLS, LENGTHS, B, H, I, T, close, parts, random_state, results, twins, wide

pytestmark = pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")


@pytest.mark.parametrize(
    "lengths", [None, LENGTHS, [4] * B, [0] * B], ids=["full", "ragged", "equal", "none"]
)
@pytest.mark.parametrize("batch_first", [False, True], ids=["time-first", "batch-first"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize(("num_layers", "bias"), [(1, True), (1, False), (3, True)])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_outputs_states_and_gradients(
    Layer: Any, options: dict[str, Any], num_layers: int, bias: bool, bidirectional: bool, batch_first: bool,
    lengths: list[int] | None,
) -> None:  # fmt: skip
    layer, exact = twins(
        Layer,
        num_layers=num_layers,
        bias=bias,
        bidirectional=bidirectional,
        batch_first=batch_first,
        **options,
    )
    x = torch.randn(*((B, T) if batch_first else (T, B)), I, requires_grad=True)
    state = random_state(layer)
    mine = results(layer, x, state, lengths)
    assert mine[0].is_contiguous()
    if lengths == [0] * B:  # the reference has no gradients of what nothing was computed from
        close(mine[: 1 + len(parts(state))], [exact(wide(x), wide(state), lengths)[0], *parts(state)])
        assert all((gradient == 0).all() for gradient in mine[2 + 2 * len(parts(state)) :])
        return
    close(mine, results(exact, wide(x), wide(state), lengths))


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_unbatched_input(Layer: Any, options: dict[str, Any]) -> None:
    layer, exact = twins(Layer, **options)
    x = torch.randn(T, I)
    (output, state), (expected, last) = layer(x), exact(wide(x))
    close([output, *parts(state)], [expected, *parts(last)])
    close([layer(x, lengths=[2])[0]], [exact(wide(x), lengths=[2])[0]])


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_packed_sequence(
    Layer: Any, options: dict[str, Any], batch_first: bool, enforce_sorted: bool
) -> None:
    layer, exact = twins(Layer, bidirectional=True, batch_first=batch_first, **options)
    x = torch.randn(B, T, I)
    lengths = torch.tensor([6, 3, 3, 1] if enforce_sorted else [3, 6, 1, 3])
    packed, wider = (
        pack_padded_sequence(each, lengths, batch_first=True, enforce_sorted=enforce_sorted)
        for each in (x, x.double())
    )
    state = random_state(layer)
    (output, new), (expected, last) = layer(packed, state), exact(wider, wide(state))
    close([output.data, *parts(new)], [expected.data, *parts(last)])
    assert torch.equal(output.batch_sizes, expected.batch_sizes)
    assert output.unsorted_indices is packed.unsorted_indices


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_chunks_match_the_whole_sequence(Layer: Any, options: dict[str, Any], batch_first: bool) -> None:
    layer, _ = twins(Layer, batch_first=batch_first, **options)
    x = torch.randn(T, B, I)
    x = x.transpose(0, 1) if batch_first else x
    whole, last = layer(x)
    for sizes in ([1] * T, [0, 4, 2], [5, 0, 1]):
        state, outputs = None, []
        for chunk in x.split(sizes, dim=1 if batch_first else 0):
            output, state = layer.step(chunk, state)
            outputs.append(output)
        close([torch.cat(outputs, dim=1 if batch_first else 0), *parts(state)], [whole, *parts(last)])


@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_results_do_not_depend_on_padding_or_batch(
    Layer: Any, options: dict[str, Any], bidirectional: bool
) -> None:
    layer, _ = twins(Layer, bidirectional=bidirectional, **options)
    start = random_state(layer)
    rows = [torch.randn(length, 1, I) for length in LENGTHS]
    for padding in (0, 3):
        together = torch.full((max(LENGTHS) + padding, B, I), torch.nan)
        for index, row in enumerate(rows):
            together[: len(row), index] = row[:, 0]
        together.requires_grad_()
        output, state = layer(together, start, LENGTHS)
        (gradient,) = torch.autograd.grad(output.pow(2).sum() + parts(state)[0].sum(), together)
        for index, row in enumerate(rows):
            one = select_rows(start, torch.tensor([index]))
            alone, end = layer(row.requires_grad_(), one)
            close([output[: len(row), index]], [alone[:, 0]])
            assert (output[len(row) :, index] == 0).all()
            assert (gradient[len(row) :, index] == 0).all()
            close(parts(select_rows(state, torch.tensor([index]))), parts(end))
            (its,) = torch.autograd.grad(alone.pow(2).sum() + parts(end)[0].sum(), row)
            close([gradient[: len(row), index]], [its[:, 0]])


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_dropout_is_the_same_for_every_kernel(Layer: Any, options: dict[str, Any]) -> None:
    layer = Layer(I, H, 3, dropout=0.5, weight_dropout=0.5, batch_first=True, kernel="native", **options)
    x = torch.randn(B, T, I)
    found = []
    for kernel in ("native", "torch", "reference"):
        layer.kernel = kernel
        torch.manual_seed(5)
        found.append(layer(x)[0])
    close([found[0], found[0]], found[1:])
    layer.kernel = "native"
    assert not torch.allclose(layer(x)[0], found[0])


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_overfits_a_tiny_batch(Layer: Any, options: dict[str, Any]) -> None:
    layer, head = Layer(2, 16, learn_initial_state=True, kernel="native", **options), nn.Linear(16, 1)
    x, y = torch.randn(5, 2, 2), torch.randn(5, 2, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.03)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (head(layer(x)[0]) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    assert layer.initial_h.abs().sum() > 0
    # Ten targets, more than a hundred weights: at most a hundredth of a variance near 1 remains.
    assert loss.item() < 0.01


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_trace(
    Layer: Any, options: dict[str, Any], batch_first: bool, lengths: list[int] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    layer, exact = twins(Layer, bidirectional=True, batch_first=batch_first, **options)
    x = torch.randn(*((B, T) if batch_first else (T, B)), I, requires_grad=True)
    state = random_state(layer)
    slow = exact.trace(wide(x), wide(state), lengths)

    def check(trace: Any) -> None:
        close([trace.output, *parts(trace.state)], [slow.output, *parts(slow.state)])
        for mine, expected in zip(trace.gates, slow.gates, strict=True):
            assert type(mine) is type(expected)
            close(list(mine), list(expected))

    traced = layer.trace(x, state, lengths)
    check(traced)

    def gradient(trace: Any, x: Tensor) -> Tensor:
        return torch.autograd.grad(sum(value.pow(2).sum() for gates in trace.gates for value in gates), x)[0]

    other = wide(x)
    close([gradient(traced, x)], [gradient(exact.trace(other, wide(state), lengths), other)])
    monkeypatch.setattr(layer_runs, "recompute_gates", lambda *_: pytest.fail("the run has saved its gates"))
    with torch.no_grad():
        check(layer.trace(x, state, lengths))


def test_converted_layer_runs_on_native() -> None:
    model = nn.Sequential(nn.LSTM(I, H, 2, bidirectional=True, batch_first=True))
    x = torch.randn(B, T, I)
    expected, _ = model(x)
    convert_recurrent(model)
    model[0].kernel = "native"
    close([model(x)[0]], [expected])


# torch's own formulas for forward derivatives use torch.jit, of which torch warns.
@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_choice_reasons() -> None:
    x = torch.randn(T, B, I)
    assert GRU(I, H, kernel="native").choice(x) == ("native", "kernel='native'")
    assert GRU(I, H, layer_norm=True).choice(x).reason == "layer_norm needs the reference kernel"
    projected = LSTM(I, H, proj_size=2)
    assert projected.choice(x) == ("torch", "native has no projection")
    wider = GRU(I, H, dtype=torch.float64)
    why = "native is for float32 and bfloat16 on the CPU, not torch.float64 on cpu"
    assert wider.choice(x.double()) == ("torch", why)
    for layer, reason in ((projected, "native has no projection"), (wider, "native is for float32 and")):
        layer.kernel = "native"
        message = f"^{type(layer).__name__}: kernel='native' cannot do this: {reason}"
        with pytest.raises(ConfigError, match=message):
            layer(x.to(layer.weight_ih_l0.dtype))
    with torch.autocast("cpu", dtype=torch.float16):
        why = "native does not compute in torch.float16, which autocast asks for"
        assert GRU(I, H).choice(x) == ("torch", why)
    found = []
    torch.func.jvp(lambda x: found.append(GRU(I, H).choice(x)) or x, (x,), (x,))
    assert found == [("torch", "native has no forward-mode derivatives")]
