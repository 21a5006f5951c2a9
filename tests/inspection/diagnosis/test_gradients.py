"""Gradients by lag are those of autograd in float64; their decay is that of the recurrent matrix."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn

from seqloom.cells.lstm import LSTMState
from seqloom.cells.spec import CELLS
from seqloom.inspection.diagnosis import judge, measure_module
from seqloom.inspection.diagnosis.direction import Direction, direction_of
from seqloom.inspection.diagnosis.gradients import Entries, entering_gradients, follow_back
from seqloom.inspection.diagnosis.measuring import choose_places
from seqloom.layers.recurrent import GRU, LSTM, RNN
from seqloom.layers.tracing import Recording, record
from seqloom.state import tensors_of

T, B, I, H = 9, 3, 4, 5  # noqa: E741
LENGTHS = [9, 4, 7]
FLOAT64 = 1e-8
CASES = [
    pytest.param(RNN, {}, id="tanh"),
    pytest.param(RNN, {"nonlinearity": "relu"}, id="relu"),
    pytest.param(LSTM, {}, id="lstm"),
    pytest.param(LSTM, {"proj_size": 2}, id="lstm-projected"),
    pytest.param(LSTM, {"layer_norm": True, "zoneout": 0.2}, id="lstm-normalized-zoned-out"),
    pytest.param(GRU, {}, id="gru"),
    pytest.param(GRU, {"layer_norm": True}, id="gru-normalized"),
]


class Reader(nn.Module):
    """Two bidirectional layers, of which all outputs and the last state are read."""

    def __init__(self, Layer: Any, **options: Any) -> None:
        super().__init__()
        width = options.get("proj_size") or H
        options |= {"dtype": torch.float64, "bidirectional": True}
        self.layers = nn.ModuleList([Layer(I, H, **options), Layer(2 * width, H, **options)])
        self.weights = torch.randn(T, B, 2 * width, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        below, _ = self.layers[0](x, lengths=LENGTHS)
        above, state = self.layers[1](below, lengths=LENGTHS)
        parts = tensors_of(state)
        return (above * self.weights).square().sum() + sum(part.sin().sum() for part in parts)


def recorded(module: nn.Module, x: Tensor) -> tuple[Recording, Recording]:
    """With gates, and with gradients."""
    with torch.no_grad(), record(module) as gated:
        module(x)
    with record(module, want_gates=False) as recording:
        loss = module(x)
        for calls, states in zip(recording.calls.values(), recording.states.values(), strict=True):
            for call, state in zip(calls, states, strict=True):
                for tensor in (call.output, *tensors_of(state)):
                    tensor.retain_grad()
        loss.backward()
    return gated, recording


def unrolled(direction: Direction, row: int, stop: int) -> list[Tensor]:
    """The states of a row, step by step, as leaves of autograd's graph between the steps."""
    states = [direction.state(torch.tensor([0]), torch.tensor([row])).requires_grad_()]
    for step in range(stop):
        states.append(direction.advance(direction.products[step, row : row + 1], states[-1]))
    return states


@pytest.mark.parametrize(("Layer", "options"), CASES)
def test_the_gradient_of_an_entry_is_that_of_autograd(Layer: Any, options: dict[str, Any]) -> None:
    """By layer, direction and lag, to 1e-8, with respect to h and to c."""
    module = Reader(Layer, **options).eval()
    gated, recording = recorded(module, torch.randn(T, B, I, dtype=torch.float64))
    for name, place in choose_places(module, "*").items():
        direction = direction_of(place, gated.calls[name][0])
        entering = entering_gradients(recording, name, direction)
        for row, length in enumerate(LENGTHS):
            for step in (length - 1, length // 2):
                states = unrolled(direction, row, step + 1)
                at = torch.tensor([step]), torch.tensor([row])
                torch.testing.assert_close(states[-1], direction.state(at[0] + 1, at[1]), rtol=0, atol=1e-10)
                delta = entering[at]
                assert delta.abs().max() > 0
                expected = torch.autograd.grad((states[-1] * delta).sum(), states)
                P = direction.h.shape[-1]
                hidden, cell = follow_back([Entries(direction, delta, *at)], step + 1)
                for lag, gradient in enumerate(reversed(expected)):
                    assert hidden[0, lag] == pytest.approx(float(gradient[:, :P].norm()), abs=FLOAT64)
                    assert cell[0, lag] == pytest.approx(float(gradient[:, P:].norm()), abs=FLOAT64)


@pytest.mark.parametrize(("Layer", "options"), CASES)
def test_entries_sum_to_the_whole_gradient(Layer: Any, options: dict[str, Any]) -> None:
    """All that enters a layer, followed back, is the gradient of the loss with respect to its first state."""
    module = Reader(Layer, **options).eval()
    x = torch.randn(T, B, I, dtype=torch.float64)
    gated, recording = recorded(module, x)
    layer = module.layers[1]
    below = gated.calls["layers.1"][0].input
    start = [part.requires_grad_() for part in tensors_of(layer.initial_state(B))]
    state = LSTMState(*start) if CELLS[layer.cell].has_cell_state else start[0]
    above, last = layer(below, state, lengths=LENGTHS)
    loss = (above * module.weights).square().sum() + sum(part.sin().sum() for part in tensors_of(last))
    expected = torch.autograd.grad(loss, start)
    for number, name in enumerate(("layers.1", "layers.1.reverse")):
        direction = direction_of(choose_places(module, name)[name], gated.calls[name][0])
        entering = entering_gradients(recording, name, direction)
        gradient = torch.zeros(B, direction.size, dtype=torch.float64)
        for step in reversed(range(T)):
            rows = torch.arange(B)
            gradient = gradient + entering[step]
            steps = torch.full((B,), step)
            pulled = direction.pull_back(direction.products[step], direction.state(steps, rows), gradient)
            gradient = torch.where((step < direction.lengths).unsqueeze(1), pulled, gradient)
        whole = torch.cat([part[number] for part in expected], -1)
        torch.testing.assert_close(gradient, whole, rtol=0, atol=FLOAT64)


def scaled_rnn(radius: float) -> tuple[RNN, Tensor, Tensor]:
    """tanh, 64 units, an orthogonal matrix of that spectral radius, no input, and a small first state."""
    layer = RNN(1, 64, orthogonal_init=True, dtype=torch.float64).eval()
    with torch.no_grad():
        layer.weight_hh_l0.mul_(radius)
        for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
            getattr(layer, name).zero_()
    return (
        layer,
        torch.zeros(100, 1, 1, dtype=torch.float64),
        0.1 * torch.randn(1, 1, 64, dtype=torch.float64),
    )


@pytest.mark.parametrize(
    ("radius", "verdict", "product", "tolerance"),
    [
        (0.5, "vanishing", 7.9e-31, 0.01),
        (0.9, "vanishing", 2.6e-5, 0.02),
        (1.0, "healthy", 0.63, 0.1),  # what tanh takes away depends on the state that is drawn
        (1.2, "exploding", 82.5, 0.4),
    ],
)
def test_the_radius_of_a_recurrent_matrix_decides(
    radius: float, verdict: str, product: float, tolerance: float
) -> None:
    layer, x, start = scaled_rnn(radius)
    direction = torch.randn(64, dtype=torch.float64)
    places = measure_module(layer, [lambda: layer(x, start)[0][-1, 0] @ direction])
    place = places["layers.0"]
    assert place.product == pytest.approx(product, rel=tolerance)
    assert place.product_steps == place.gradient.max_lag == 100
    assert place.weights[0].radius == pytest.approx(radius, rel=1e-9)
    assert place.weights[0].singular == pytest.approx(numpy.full(64, radius), rel=1e-9)
    assert place.step.radius <= radius + 1e-9
    if radius < 1:
        assert place.gradient.decay == pytest.approx(radius, rel=0.01)
        assert place.gradient.gone_after == pytest.approx(numpy.log(0.01) / numpy.log(radius), abs=1)
    assert [found.name for found in judge(places)] == [verdict]


def test_nothing_underflows() -> None:
    """0.1 to the power of 400 is below float64's least number at lag 330: the share becomes 0, not NaN."""
    layer, _, start = scaled_rnn(0.1)
    x = torch.zeros(400, 1, 1, dtype=torch.float64)
    place = measure_module(layer, [lambda: layer(x, start)[0][-1].sum()], max_lag=400)["layers.0"]
    assert numpy.isfinite(place.gradient.share).all()
    assert place.gradient.share[300] == pytest.approx(1e-300, rel=0.2)
    assert place.gradient.decay == pytest.approx(0.1, rel=0.01)
