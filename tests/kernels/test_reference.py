"""The reference kernel: a loop over the step, with lengths, direction, masks, zoneout and gates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import Weights, input_product
from seqloom.cells.spec import CELLS
from seqloom.kernels import reference
from seqloom.kernels.recurrence import Request, Zoneout

T, B, I, H = 6, 4, 3, 5  # noqa: E741
GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}
# The same computation in float64, on other shapes: rounding is some 1e-16 of values near 1.
EXACT = {"rtol": 0, "atol": 1e-12}


def request_for(cell: str, **changes: Any) -> Request:
    def random(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64) / 2

    G = GATES[cell] * H
    state = LSTMState(random(B, H), random(B, H)) if cell == "lstm" else random(B, H)
    weights = Weights(random(G, I), random(G, H), random(G), random(G))
    return Request(cell, random(T, B, I), state, weights)._replace(**changes)


def row(request: Request, index: int, steps: slice) -> Request:
    """One row alone, cut to `steps`."""
    state = request.state
    one = (
        state[index : index + 1]
        if isinstance(state, Tensor)
        else LSTMState(*(p[index : index + 1] for p in state))
    )
    return request._replace(input=request.input[steps, index : index + 1], state=one, lengths=None)


def parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


@pytest.mark.parametrize("cell", CELLS)
def test_sequence_matches_repeated_steps(cell: str) -> None:
    request = request_for(cell)
    result = reference.run(request)
    state: Any = request.state
    for t in range(T):
        state, _ = CELLS[cell].step(input_product(request.input[t], request.weights), state, request.weights)
        torch.testing.assert_close(result.output[t], parts(state)[0], **EXACT)
    for mine, expected in zip(parts(result.state), parts(state), strict=True):
        torch.testing.assert_close(mine, expected, **EXACT)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_rows_of_a_batch_are_independent(cell: str, reverse: bool) -> None:
    lengths = [3, 0, T, 1]
    request = request_for(cell, lengths=torch.tensor(lengths), reverse=reverse, want_gates=True)
    result = reference.run(request)
    for index, length in enumerate(lengths):
        alone = reference.run(row(request, index, slice(length)))
        torch.testing.assert_close(result.output[:length, index], alone.output[:, 0], **EXACT)
        for mine, expected in zip(parts(result.state), parts(alone.state), strict=True):
            torch.testing.assert_close(mine[index], expected[0], **EXACT)
        for mine, expected in zip(result.gates, alone.gates, strict=True):
            torch.testing.assert_close(mine[:length, index], expected[:, 0], **EXACT)
        assert (result.output[length:, index] == 0).all()
        assert all((gate[length:, index] == 0).all() for gate in result.gates)


@pytest.mark.parametrize("cell", CELLS)
def test_reverse_matches_the_reversed_sequence(cell: str) -> None:
    request = request_for(cell)
    back = reference.run(request._replace(reverse=True))
    turned = reference.run(request._replace(input=request.input.flip(0)))
    torch.testing.assert_close(back.output, turned.output.flip(0), **EXACT)


@pytest.mark.parametrize("cell", CELLS)
def test_row_of_length_zero_keeps_its_state(cell: str) -> None:
    request = request_for(cell, lengths=torch.zeros(B, dtype=torch.int64))
    result = reference.run(request)
    assert (result.output == 0).all()
    for mine, expected in zip(parts(result.state), parts(request.state), strict=True):
        assert torch.equal(mine, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_empty_sequence_returns_the_initial_state(cell: str) -> None:
    request = request_for(cell, want_gates=True)
    result = reference.run(request._replace(input=request.input[:0]))
    assert result.output.shape == (0, B, H)
    assert result.state is request.state
    assert all(gate.shape == (0, B, H) for gate in result.gates)


@pytest.mark.parametrize("cell", CELLS)
def test_hidden_mask_is_the_same_at_every_step(cell: str) -> None:
    request = request_for(cell)
    mask = torch.tensor([0.0, 2.0, 0.0, 2.0, 2.0], dtype=torch.float64)
    masked = reference.run(request._replace(hidden_mask=mask.expand(B, H)))
    # The mask applies in W_hh h only, so masking the columns of W_hh is equivalent.
    columns = request.weights._replace(weight_hh=request.weights.weight_hh * mask)
    torch.testing.assert_close(
        masked.output, reference.run(request._replace(weights=columns)).output, **EXACT
    )


@pytest.mark.parametrize("cell", CELLS)
def test_zoneout_in_evaluation_is_the_expectation(cell: str) -> None:
    request = request_for(cell)
    zoned = reference.run(request._replace(input=request.input[:1], zoneout=Zoneout(0.3, 0.6, False)))
    plain = reference.run(request._replace(input=request.input[:1]))
    both = zip(parts(zoned.state), parts(request.state), parts(plain.state), (0.3, 0.6), strict=False)
    for mine, old, new, p in both:
        torch.testing.assert_close(mine, p * old + (1 - p) * new, **EXACT)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_zoneout_with_probability_zero_and_one(cell: str, probability: float) -> None:
    request = request_for(cell)
    zoned = reference.run(request._replace(zoneout=Zoneout(probability, probability, True)))
    expected = request.state if probability else reference.run(request).state
    for mine, kept in zip(parts(zoned.state), parts(expected), strict=True):
        assert torch.equal(mine, kept)


def test_zoneout_keeps_the_expected_share_of_units() -> None:
    rows = 4000
    request = request_for("lstm")
    state = LSTMState(torch.full((rows, H), 7.0).double(), torch.full((rows, H), 9.0).double())
    x = torch.randn(1, rows, I, dtype=torch.float64)
    result = reference.run(request._replace(input=x, state=state, zoneout=Zoneout(0.2, 0.7, True)))
    assert isinstance(result.state, LSTMState)
    # A fraction of 20,000 draws is within 5 standard deviations, 5 sqrt(0.25 / 20000) < 0.018.
    assert (result.state.h == 7).double().mean().item() == pytest.approx(0.2, abs=0.018)
    assert (result.state.c == 9).double().mean().item() == pytest.approx(0.7, abs=0.018)


def test_zoneout_draws_a_new_mask_at_every_step() -> None:
    request = request_for("rnn_tanh", zoneout=Zoneout(0.5, 0.5, True))
    output = torch.cat([request.state.unsqueeze(0), reference.run(request).output])  # type: ignore[union-attr]
    kept = output[1:] == output[:-1]
    assert len({tuple(step.flatten().tolist()) for step in kept}) > 1


@pytest.mark.parametrize("cell", CELLS)
def test_first_and_second_derivatives_with_lengths(cell: str) -> None:
    request = request_for(cell, lengths=torch.tensor([2, 0, 3, 1]))
    request = request._replace(input=request.input[:3])

    def run(x: Tensor, weight_hh: Tensor) -> Tensor:
        return reference.run(
            request._replace(input=x, weights=request.weights._replace(weight_hh=weight_hh))
        ).output.sum(1)

    inputs = (request.input.clone().requires_grad_(), request.weights.weight_hh.clone().requires_grad_())
    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)
