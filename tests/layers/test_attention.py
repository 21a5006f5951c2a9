"""Attention against its equations, with padding that has no influence."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from seqloom.errors import ConfigError, DataError
from seqloom.layers.attention import SCORES, Attention

B, T, S, Q, M, A = 3, 4, 5, 6, 6, 7
LENGTHS = torch.tensor([5, 2, 4])

pytestmark = pytest.mark.parametrize("score", SCORES)


def make(score: str) -> Attention:
    torch.manual_seed(0)
    return Attention(score, Q, M, A if score == "additive" else None).double()  # type: ignore[arg-type]


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    query, values = (torch.randn(B, n, Q, generator=generator, dtype=torch.float64) for n in (T, S))
    return query, values


def score_of(attention: Attention, q: Tensor, m: Tensor) -> float:
    """One score by the equation of its paper."""
    if attention.score == "dot":
        return float(q.dot(m))
    if attention.score == "multiplicative":
        return float(q @ attention.key.weight @ m)
    inner = attention.query.weight @ q + attention.key.weight @ m + attention.key.bias
    return float(attention.vector.weight[0] @ torch.tanh(inner))


@torch.no_grad()
def test_matches_the_equation(score: str) -> None:
    attention, (query, values) = make(score), inputs()
    context, weights = attention(query, attention.remember(values, LENGTHS))
    for b in range(B):
        for t in range(T):
            powers = [math.exp(score_of(attention, query[b, t], m)) for m in values[b, : LENGTHS[b]]]
            expected = [power / sum(powers) for power in powers]
            # float64: some ten operations
            assert weights[b, t, : LENGTHS[b]].tolist() == pytest.approx(expected, rel=1e-12)
            mean = sum(weight * m for weight, m in zip(expected, values[b], strict=False))
            torch.testing.assert_close(context[b, t], mean, rtol=1e-12, atol=1e-12)


def test_padding_has_no_weight(score: str) -> None:
    attention, (query, values) = make(score), inputs()
    other = values.clone()
    for b in range(B):
        other[b, LENGTHS[b] :] = 1e6
    found, weights = attention(query, attention.remember(values, LENGTHS))
    again, _ = attention(query, attention.remember(other, LENGTHS))
    assert torch.equal(found, again)
    assert all((weights[b, :, LENGTHS[b] :] == 0).all() for b in range(B))


def test_without_lengths_every_step_is_valid(score: str) -> None:
    attention, (query, values) = make(score), inputs()
    whole = attention(query, attention.remember(values, torch.full((B,), S)))
    for one, other in zip(whole, attention(query, attention.remember(values)), strict=True):
        assert torch.equal(one, other)


def test_row_of_length_zero_has_context_zero_and_finite_gradients(score: str) -> None:
    attention, (query, values) = make(score), inputs()
    values.requires_grad_()
    context, weights = attention(query, attention.remember(values, torch.tensor([5, 0, 4])))
    assert (context[1] == 0).all()
    assert (weights[1] == 0).all()
    context.sum().backward()
    assert values.grad is not None
    assert values.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in attention.parameters() if p.grad is not None)


def test_memory_rows_may_be_repeated(score: str) -> None:
    attention, (query, values) = make(score), inputs()
    rows = torch.tensor([2, 0, 2])
    memory = attention.remember(values, LENGTHS).rows(rows)
    found, _ = attention(query, memory)
    expected, _ = attention(query, attention.remember(values[rows], LENGTHS[rows]))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)  # sums of another batch's shape


def test_under_autocast_weights_are_float32(score: str) -> None:
    attention, (query, values) = make(score).float(), inputs()
    query, values = query.float(), values.float()
    expected, _ = attention(query, attention.remember(values, LENGTHS))
    with torch.autocast("cpu", torch.bfloat16):
        context, weights = attention(query, attention.remember(values, LENGTHS))
    assert weights.dtype == torch.float32
    # bfloat16 has 8 bits: scores near 3 are off by 0.02, and so are, relatively, the weights
    torch.testing.assert_close(context.float(), expected, rtol=0.05, atol=0.05)


def test_gradients(score: str) -> None:
    attention, (query, values) = make(score), inputs()

    def ask(query: Tensor, values: Tensor) -> Tensor:
        return attention(query, attention.remember(values, LENGTHS))[0]

    assert torch.autograd.gradcheck(ask, (query.requires_grad_(), values.requires_grad_()))


def test_lengths_of_the_wrong_shape_are_refused(score: str) -> None:
    attention, (_, values) = make(score), inputs()
    with pytest.raises(DataError, match=r"Attention: lengths must be 3, one for each row\. Got \(2,\)\."):
        attention.remember(values, torch.tensor([1, 2]))


def test_sizes_are_checked(score: str) -> None:
    with pytest.raises(ConfigError, match=r"Attention: query_size must be an int >= 1\. Got 0\."):
        Attention(score, 0, 3)  # type: ignore[arg-type]
    if score != "additive":
        with pytest.raises(ConfigError, match=r"Attention: size is for the additive score only\. Got 4\."):
            Attention(score, 3, 3, 4)  # type: ignore[arg-type]
    if score == "dot":
        with pytest.raises(
            ConfigError, match=r"must be the same for the dot score\. Got 3 and 4\. Use multiplicative"
        ):
            Attention("dot", 3, 4)


def test_unknown_score_is_refused(score: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"score must be one of additive, multiplicative, dot\. Got {score}s\."
    ):
        Attention(f"{score}s", 3, 3)  # type: ignore[arg-type]
