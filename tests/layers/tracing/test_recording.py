"""A recording has what layers compute, changes nothing of it, and costs little."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import input_product
from seqloom.cells.spec import CELLS
from seqloom.layers.recurrent import GRU, LSTM, RNN
from seqloom.layers.recurrent.parameters import plain_weights
from seqloom.layers.tracing import record

T, B, I, H = 6, 3, 4, 5  # noqa: E741
LENGTHS = [6, 0, 4]
# The same equation in float32, with its sums in another order.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_every_value_of_every_layer_satisfies_the_equation(
    Layer: Any, batch_first: bool, dtype: torch.dtype
) -> None:
    """Each step, done by hand from the recorded state before it, gives the recorded one."""
    layer = Layer(I, H, 2, bidirectional=True, batch_first=batch_first, dtype=dtype)
    x = torch.randn(B, T, I, dtype=dtype) if batch_first else torch.randn(T, B, I, dtype=dtype)
    expected, _ = layer(x, lengths=LENGTHS)
    with torch.no_grad(), record(layer) as recording:
        output, _ = layer(x, lengths=LENGTHS)
    torch.testing.assert_close(output, expected.detach(), **CLOSE)
    assert "forward" not in layer.__dict__
    assert list(recording.calls) == ["layers.0", "layers.0.reverse", "layers.1", "layers.1.reverse"]
    whole = output.transpose(0, 1) if batch_first else output
    both = [recording.calls[name][0].hidden for name in ("layers.1", "layers.1.reverse")]
    torch.testing.assert_close(torch.cat(both, -1), whole, **CLOSE)
    spec, weights = CELLS[layer.cell], plain_weights(layer)
    for number, (name, (call,)) in enumerate(recording.calls.items()):
        a = input_product(call.input, weights[number])
        row = 2  # of four steps
        order = [3, 2, 1, 0] if "reverse" in name else [0, 1, 2, 3]
        state: Any = torch.zeros(1, H, dtype=dtype)
        state = LSTMState(state, state) if spec.has_cell_state else state
        for step in order:
            state, gates = spec.step(a[step, row : row + 1], state, weights[number])
            h = state if isinstance(state, Tensor) else state.h
            torch.testing.assert_close(call.hidden[step, row : row + 1], h.detach(), **CLOSE)
            for recorded, by_hand in zip(call.gates, gates, strict=True):
                torch.testing.assert_close(recorded[step, row : row + 1], by_hand.detach(), **CLOSE)


def test_calls_that_follow_one_another_are_joined() -> None:
    layer, x = LSTM(I, H), torch.randn(T, B, I)
    with torch.no_grad(), record(layer) as recording:
        _, state = layer(x[:2])
        layer(x[2:], state)
    with torch.no_grad(), record(layer) as whole:
        layer(x)
    for name, value in whole.values().items():
        torch.testing.assert_close(recording.values()[name], value, **CLOSE)


def test_packed_sequences_are_recorded_too() -> None:
    layer, x = GRU(I, H, bidirectional=True), torch.randn(T, B, I)
    packed = pack_padded_sequence(x, [4, 6, 1], enforce_sorted=False)
    expected, h = layer(packed)
    with record(layer) as recording:
        output, h_recorded = layer(packed)
    torch.testing.assert_close(pad_packed_sequence(output)[0], pad_packed_sequence(expected)[0], **CLOSE)
    torch.testing.assert_close(h_recorded, h, **CLOSE)
    assert recording.values()["layers.0.hidden"].shape == (T, B, H)


def test_recorded_outputs_keep_their_gradients() -> None:
    layer, x = LSTM(I, H), torch.randn(T, B, I)
    (expected,) = torch.autograd.grad(layer(x)[0].square().sum(), layer.weight_hh_l0)
    with record(layer) as recording:
        output, _ = layer(x)
    (gradient,) = torch.autograd.grad(output.square().sum(), layer.weight_hh_l0)
    torch.testing.assert_close(gradient, expected, **CLOSE)
    assert recording.calls["layers.0"][0].gates.f.shape == (T, B, H)


def test_layers_are_let_go_after_an_error() -> None:
    layer = nn.Sequential(RNN(I, H))
    with pytest.raises(ZeroDivisionError), record(layer):
        raise ZeroDivisionError
    assert "forward" not in layer[0].__dict__


def test_recordings_within_one_another_have_the_same() -> None:
    layer, x = LSTM(I, H), torch.randn(T, B, I)
    with record(layer) as outer:
        layer(x)
        with record(layer, want_gates=False) as inner:
            layer(x)
        layer(x)
    assert [len(recording.calls["layers.0"]) for recording in (outer, inner)] == [3, 1]
    assert "forward" not in layer.__dict__


def test_a_recording_has_what_its_own_thread_computes() -> None:
    """Whichever begins and ends first."""
    layer, x = LSTM(I, H), torch.randn(T, B, I)
    with ThreadPoolExecutor(1) as other:
        theirs, mine = ExitStack(), ExitStack()
        first = other.submit(theirs.enter_context, record(layer)).result()
        second = mine.enter_context(record(layer))
        other.submit(layer, x).result()
        layer(x)
        other.submit(theirs.close).result()
        layer(x)
        other.submit(layer, x).result()
        mine.close()
    assert len(first.calls["layers.0"]) == 1
    assert len(second.calls["layers.0"]) == 2
    assert "forward" not in layer.__dict__


@pytest.mark.parametrize("lengths", [None, [5, 3]])
@pytest.mark.parametrize("kernel", ["auto", "torch", "reference"])
def test_gates_without_gradients_are_the_same(kernel: Any, lengths: list[int] | None) -> None:
    """Also after the backward pass, which reads the same memory."""
    layer, x = LSTM(3, 4, bidirectional=True, kernel=kernel), torch.randn(5, 2, 3)
    with torch.no_grad(), record(layer) as whole:
        layer(x, lengths=lengths)
    with record(layer, detach_gates=True) as recording:
        layer(x, lengths=lengths)[0].sum().backward()
    assert layer.weight_hh_l0.grad is not None
    for name, value in whole.values().items():
        torch.testing.assert_close(recording.values()[name].detach(), value)
