"""Every logits filter against a plain implementation of its definition."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqloom.decoding import (
    apply_temperature,
    ban_repeated_ngrams,
    filter_top_k,
    filter_top_p,
    penalize_repetition,
)

INF = float("inf")
vocabularies = st.integers(1, 12)
seeds = st.integers(0, 10_000)


def random_logits(rows: int, vocabulary_size: int, seed: int) -> Tensor:
    return 3 * torch.randn(rows, vocabulary_size, generator=torch.Generator().manual_seed(seed))


def allowed(logits: Tensor) -> list[set[int]]:
    return [{token for token, value in enumerate(row) if value > -INF} for row in logits.tolist()]


@given(vocabularies, seeds, st.floats(0.05, 20))
def test_temperature_divides_the_logits(vocabulary_size: int, seed: int, temperature: float) -> None:
    logits = random_logits(3, vocabulary_size, seed).double()
    expected = (logits / temperature).softmax(-1)
    # A few float64 roundings of logits of up to about 200 cost some 1e-14.
    torch.testing.assert_close(
        apply_temperature(logits, temperature).softmax(-1), expected, rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("temperature", [1e-45, 1e-46, 5e-324])
def test_a_tiny_temperature_neither_overflows_nor_rounds_to_0(temperature: float, dtype: torch.dtype) -> None:
    probabilities = apply_temperature(torch.tensor([[1.0, 3.0, 2.0]], dtype=dtype), temperature).softmax(-1)
    assert probabilities.tolist() == [[0, 1, 0]]


@given(vocabularies, seeds, st.integers(1, 14))
def test_top_k_allows_the_k_most_probable(vocabulary_size: int, seed: int, top_k: int) -> None:
    logits = random_logits(3, vocabulary_size, seed)
    expected = [
        set(sorted(range(vocabulary_size), key=lambda token: -row[token])[:top_k]) for row in logits.tolist()
    ]
    filtered = filter_top_k(logits, top_k)
    assert allowed(filtered) == expected
    assert torch.equal(filtered[filtered > -INF], logits[filtered > -INF])


def test_top_k_allows_ties_with_the_last() -> None:
    assert allowed(filter_top_k(torch.tensor([[1.0, 2.0, 1.0, 0.0]]), 2)) == [{0, 1, 2}]


def find_nucleus(row: list[float], top_p: float) -> set[int]:
    total = math.fsum(math.exp(value) for value in row)
    tokens: set[int] = set()
    mass = 0.0
    for token in sorted(range(len(row)), key=lambda token: -row[token]):
        tokens.add(token)
        mass += math.exp(row[token]) / total
        if mass >= top_p:
            break
    return tokens


@given(vocabularies, seeds, st.floats(0.01, 0.999))
def test_top_p_allows_the_smallest_set_of_that_probability(
    vocabulary_size: int, seed: int, top_p: float
) -> None:
    logits = random_logits(3, vocabulary_size, seed)
    filtered = filter_top_p(logits, top_p)
    assert allowed(filtered) == [find_nucleus(row, top_p) for row in logits.tolist()]
    assert torch.equal(filtered[filtered > -INF], logits[filtered > -INF])


@pytest.mark.parametrize("spread", [0.0, 0.5, 3.0, 10.0])
@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.99])
def test_top_p_over_a_large_vocabulary(spread: float, top_p: float) -> None:
    # Rounded logits often tie; with a spread of 0 all do. Large and small nuclei are in one batch.
    logits = (spread * torch.randn(3, 3000)).round(decimals=1)
    logits[1] *= 3
    logits[2] = 0
    # Equal probabilities may sum to top_p up to rounding, where either set is correct: avoid that.
    top_p += 1e-5
    filtered = filter_top_p(logits, top_p)
    assert allowed(filtered) == [find_nucleus(row, top_p) for row in logits.tolist()]
    for i in range(3):
        assert torch.equal(filter_top_p(logits[i : i + 1], top_p), filtered[i : i + 1])


def test_top_p_ends_where_the_sum_is_exactly_top_p() -> None:
    # Four equal logits give quarters, whose sums are not rounded.
    assert allowed(filter_top_p(torch.tensor([[0.0, 0.0, -INF, 0.0, 0.0]]), 0.5)) == [{0, 1}]


def test_top_p_allows_at_least_one_token() -> None:
    assert allowed(filter_top_p(torch.tensor([[0.0, 1.0]]), 1e-300)) == [{1}]


def test_top_p_renormalizes_after_top_k() -> None:
    logits = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()
    # After top-k the first of two tokens has 4/7, less than 0.6.
    assert allowed(filter_top_p(filter_top_k(logits, 2), 0.6)) == [{0, 1}]
    assert allowed(filter_top_p(filter_top_k(logits, 2), 0.5)) == [{0}]


@given(vocabularies, seeds, st.floats(0.2, 5))
def test_repetition_penalty_divides_positive_and_multiplies_negative_logits(
    vocabulary_size: int, seed: int, penalty: float
) -> None:
    logits = random_logits(2, vocabulary_size, seed).double()
    seen = random_logits(2, vocabulary_size, seed + 1) > 0
    expected = [
        [(x / penalty if x > 0 else x * penalty) if before else x for x, before in zip(*rows, strict=True)]
        for rows in zip(logits.tolist(), seen.tolist(), strict=True)
    ]
    # The same operation on the same float64 numbers: equal to the last bit.
    assert penalize_repetition(logits, seen, penalty).tolist() == expected


@given(st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=3), st.integers(1, 4))
def test_tokens_that_would_repeat_an_ngram_are_banned(previous: list[list[int]], size: int) -> None:
    def repeats(row: list[int], token: int) -> bool:
        longer = [*row, token]
        grams = [tuple(longer[i : i + size]) for i in range(len(longer) - size + 1)]
        return bool(grams) and grams[-1] in grams[:-1]

    expected = [{token for token in range(4) if not repeats(row, token)} for row in previous]
    assert allowed(ban_repeated_ngrams(torch.zeros(len(previous), 4), previous, size)) == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_filters_preserve_the_dtype_and_their_argument(dtype: torch.dtype) -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0]], dtype=dtype)
    seen = torch.tensor([[True, False, False]])
    for filtered in (
        apply_temperature(logits, 0.5),
        filter_top_k(logits, 2),
        filter_top_p(logits, 0.5),
        penalize_repetition(logits, seen, 2.0),
        ban_repeated_ngrams(logits, [[1]], 1),
    ):
        assert filtered.dtype == dtype
    assert logits.tolist() == [[1, 3, 2]]
