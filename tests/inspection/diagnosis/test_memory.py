"""Horizons and planted bits: windows are what forgetful layers compute; a clamped gate keeps what it says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqloom.inspection.diagnosis import judge, measure_module
from seqloom.inspection.diagnosis.horizon import measure_horizon, short_memory
from seqloom.layers.recurrent import GRU, LSTM, RNN
from seqloom.layers.tracing import clamp

T, B, I, H = 11, 3, 4, 5  # noqa: E741
LENGTHS = [11, 4, 7]
# The same steps in batches of other sizes, in float64.
CLOSE = {"rtol": 0, "atol": 1e-12}


@pytest.mark.parametrize("reach", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_a_forgetful_layer_sees_so_many_steps(Layer: Any, bidirectional: bool, reach: int) -> None:
    """Each step, alone, with its reach to twice that before it, or after it in the reverse direction."""
    layer = Layer(I, H, bidirectional=bidirectional, dtype=torch.float64)
    x = torch.randn(T, B, I, dtype=torch.float64)
    with short_memory(layer, reach):
        output, _ = layer(x, lengths=LENGTHS)
    assert "forward" not in layer.__dict__
    stride = max(reach, 1)
    for row, length in enumerate(LENGTHS):
        for step in range(length):
            block = step // stride
            first = max(block - 1, 0) * stride if reach else step
            part = layer(x[first : step + 1, row])[0][-1, :H]
            torch.testing.assert_close(output[step, row, :H], part, **CLOSE)
            if bidirectional:
                stop = min(block * stride + (2 * reach or 1), length)
                part = layer(x[step:stop, row])[0][0, H:]
                torch.testing.assert_close(output[step, row, H:], part, **CLOSE)


def test_with_a_reach_of_all_steps_nothing_is_forgotten() -> None:
    layer, x = LSTM(I, H, bidirectional=True, batch_first=True), torch.randn(B, T, I)
    start = tuple(torch.randn(2, B, H) for _ in range(2))
    expected, state = layer(x, start, LENGTHS)
    with short_memory(layer, T):
        output, forgetful = layer(x, start, LENGTHS)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(tuple(forgetful), tuple(state), rtol=0, atol=1e-6)


def test_the_horizon_is_the_lag_that_a_loss_depends_on() -> None:
    """An output that is the input of 3 steps before: a shift register, by hand."""
    layer = RNN(1, 4, nonlinearity="relu", dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_ih_l0[0, 0] = 1.0
        for unit in range(3):
            layer.weight_hh_l0[unit + 1, unit] = 1.0
    x = torch.rand(20, 5, 1, dtype=torch.float64)

    def loss() -> float:
        output, _ = layer(x)
        return float((output[8:, :, 3] - x[5:-3, :, 0]).square().mean()) + 0.1

    horizon = measure_horizon(layer, loss, longest=20)
    assert horizon.full == pytest.approx(0.1)
    assert horizon.reaches == (0, 1, 2, 4, 8, 16)
    assert horizon.steps == 4
    assert horizon.shares[0] == 0
    assert 0 < horizon.shares[2] < 0.95  # windows of 2 to 3 steps hold it at times
    assert horizon.shares[3] == pytest.approx(1.0)


def test_where_memory_is_worth_nothing_there_is_no_horizon() -> None:
    layer, x = GRU(I, H), torch.randn(T, B, I)
    horizon = measure_horizon(layer, lambda: 1.0 + 0 * float(layer(x)[0].sum()), longest=T)
    assert horizon.steps is None
    assert set(horizon.shares) == {0.0}


@pytest.mark.parametrize(("forget", "half_life"), [(0.5, 1), (0.9, 7), (0.99, None)])
def test_a_planted_bit_lives_as_long_as_the_forget_gate_says(forget: float, half_life: int | None) -> None:
    """With the other gates shut, the cell alone carries it: half is left after log 0.5 / log f steps."""
    layer, x = LSTM(I, H, dtype=torch.float64), torch.randn(80, 2, I, dtype=torch.float64)
    with clamp(layer, {"layers.0.forget": forget, "layers.0.input": 0.0, "layers.0.output": 0.0}):
        (place,) = measure_module(layer, [lambda: layer(x)[1].c.sum()]).values()
    planted = place.planted
    assert planted is not None
    steps = torch.arange(len(planted.left), dtype=torch.float64)
    torch.testing.assert_close(torch.from_numpy(planted.left), forget**steps, rtol=1e-6, atol=1e-9)
    expected = float(torch.tensor(0.5).log() / torch.tensor(forget).log())
    assert planted.gate_half_life == pytest.approx(expected, rel=1e-6)
    if half_life is None:
        assert planted.half_life in (None, 69)
    else:
        assert planted.half_life == pytest.approx(half_life, abs=1)


def test_an_rnn_has_no_gate_that_keeps() -> None:
    layer, x = RNN(I, H), torch.randn(T, B, I)
    (place,) = measure_module(layer, [lambda: layer(x)[0].sum()]).values()
    assert place.planted is not None
    assert place.planted.gate_half_life is None
    assert place.gates == []


def test_rows_of_no_steps_and_of_one() -> None:
    layer, x = LSTM(I, H), torch.randn(3, 2, I)

    def loss(lengths: list[int]) -> Tensor:
        return layer(x, lengths=lengths)[0].sum()

    (empty,) = measure_module(layer, [lambda: loss([0, 0])]).values()
    assert (empty.gradient, empty.planted, empty.product) == (None, None, None)
    (single,) = measure_module(layer, [lambda: loss([1, 0])]).values()
    assert [verdict.name for verdict in judge({"layers.0": empty})] == ["healthy"]
    assert single.planted is None
    assert single.gradient is not None
    assert single.gradient.max_lag == 1


@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_rows_and_single_ones_are_forgotten_alike(batch_first: bool) -> None:
    layer = LSTM(I, H, batch_first=batch_first, dtype=torch.float64)
    x = torch.randn(T, B, I, dtype=torch.float64)
    read = x.transpose(0, 1) if batch_first else x
    with short_memory(layer, 2):
        expected, state = layer(read, lengths=LENGTHS)
        packed, last = layer(pack_padded_sequence(read, LENGTHS, batch_first, enforce_sorted=False))
        single, end = layer(x[:, 0])
    output, _ = pad_packed_sequence(packed, batch_first)
    torch.testing.assert_close(output, expected, **CLOSE)
    torch.testing.assert_close(tuple(last), tuple(state), **CLOSE)
    torch.testing.assert_close(single, expected[0] if batch_first else expected[:, 0], **CLOSE)
    torch.testing.assert_close(tuple(end), tuple(part[:, 0] for part in state), **CLOSE)
