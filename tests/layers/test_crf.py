"""The CRF against its definition: a sum over every path of a small case."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from seqloom.errors import ConfigError, DataError
from seqloom.layers.crf import CRF

K = 3


def drawn(num_tags: int = K, dtype: torch.dtype = torch.float64) -> CRF:
    """A CRF with random parameters, as they are zero initially."""
    crf = CRF(num_tags).to(dtype)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


def score(crf: CRF, emissions: Tensor, path: tuple[int, ...]) -> float:
    """s(x, y), term by term, of one row (T, K)."""
    if not path:
        return 0.0
    total = crf.start[path[0]].item() + crf.end[path[-1]].item()
    total += sum(emissions[t, tag].item() for t, tag in enumerate(path))
    return total + sum(crf.transitions[one, other].item() for one, other in itertools.pairwise(path))


def all_paths(crf: CRF, emissions: Tensor) -> dict[tuple[int, ...], float]:
    """Every path of one row with its score."""
    paths = itertools.product(range(crf.num_tags), repeat=len(emissions))
    return {path: score(crf, emissions, path) for path in paths}


@pytest.mark.parametrize("num_tags", [1, 2, 3])
@pytest.mark.parametrize("T", [1, 2, 5])
def test_likelihood_matches_the_sum_over_all_paths(num_tags: int, T: int) -> None:
    crf, emissions = drawn(num_tags), torch.randn(4, T, num_tags, dtype=torch.float64)
    tags = torch.randint(num_tags, (4, T))
    for row, found in enumerate(crf(emissions, tags)):
        scores = all_paths(crf, emissions[row])
        expected = scores[tuple(tags[row].tolist())] - math.log(sum(map(math.exp, scores.values())))
        # float64, at most 243 terms
        assert found.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_likelihoods_of_all_paths_sum_to_one() -> None:
    crf, T = drawn(), 4
    paths = torch.tensor(list(itertools.product(range(K), repeat=T)))
    emissions = torch.randn(T, K, dtype=torch.float64).expand(len(paths), T, K)
    # float64, 81 terms
    assert crf(emissions, paths).exp().sum().item() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("num_tags", [1, 2, 3])
@pytest.mark.parametrize("T", [1, 2, 5])
def test_best_path_is_the_maximum_over_all_paths(num_tags: int, T: int) -> None:
    crf, emissions = drawn(num_tags), torch.randn(4, T, num_tags, dtype=torch.float64)
    best = crf.best_path(emissions)
    for row in range(4):
        scores = all_paths(crf, emissions[row])
        expected = max(scores, key=scores.__getitem__)
        assert tuple(best.tags[row].tolist()) == expected
        assert best.score[row].item() == pytest.approx(scores[expected], rel=1e-12)  # float64


def test_initial_parameters_make_tags_independent() -> None:
    crf, emissions, tags = CRF(K).double(), torch.randn(2, 6, K).double(), torch.randint(K, (2, 6))
    alone = emissions.log_softmax(-1).gather(2, tags.unsqueeze(2)).sum((1, 2))
    torch.testing.assert_close(crf(emissions, tags), alone)
    assert torch.equal(crf.best_path(emissions).tags, emissions.argmax(-1))


def test_gradients() -> None:
    crf = drawn()
    emissions = torch.randn(3, 4, K, dtype=torch.float64, requires_grad=True)
    tags, parameters = torch.randint(K, (3, 4)), tuple(crf.parameters())

    def likelihood(emissions: Tensor, *parameters: Tensor) -> Tensor:
        named = dict(zip(dict(crf.named_parameters()), parameters, strict=True))
        return torch.func.functional_call(crf, named, (emissions, tags, [4, 1, 0]))

    assert torch.autograd.gradcheck(likelihood, (emissions, *parameters))


def test_gradient_of_an_emission_is_target_minus_marginal() -> None:
    crf, T = drawn(), 4
    emissions, tags = torch.randn(1, T, K, dtype=torch.float64, requires_grad=True), torch.randint(K, (1, T))
    crf(emissions, tags).sum().backward()
    assert emissions.grad is not None
    scores = all_paths(crf, emissions[0].detach())
    total = sum(map(math.exp, scores.values()))
    for t, k in itertools.product(range(T), range(K)):
        marginal = sum(math.exp(value) for path, value in scores.items() if path[t] == k) / total
        expected = float(tags[0, t] == k) - marginal
        assert emissions.grad[0, t, k].item() == pytest.approx(expected, abs=1e-12)  # float64


@pytest.mark.parametrize("rubbish", [0.0, 1e30, math.inf, math.nan])
def test_padding_has_no_influence(rubbish: float) -> None:
    crf, lengths = drawn(dtype=torch.float32), [5, 3, 1, 0]
    emissions, tags = torch.randn(4, 5, K), torch.randint(K, (4, 5))
    padded, numbers = emissions.clone(), tags.clone()
    for row, length in enumerate(lengths):
        padded[row, length:], numbers[row, length:] = rubbish, -100
    padded.requires_grad_()
    together, best = crf(padded, numbers, lengths), crf.best_path(padded, lengths)
    together.sum().backward()
    assert padded.grad is not None
    gradient = {name: parameter.grad for name, parameter in crf.named_parameters()}
    crf.zero_grad()
    for row, length in enumerate(lengths):
        own = emissions[row : row + 1, :length].clone().requires_grad_()
        alone = crf(own, tags[row : row + 1, :length])
        alone.sum().backward()
        assert own.grad is not None
        # float32; the additions are the same, in an order that may depend on the batch
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(padded.grad[row : row + 1, :length], own.grad, rtol=1e-6, atol=1e-6)
        assert not padded.grad[row, length:].any()
        path = crf.best_path(own)
        assert torch.equal(best.tags[row, :length], path.tags[0])
        assert not best.tags[row, length:].any()
        torch.testing.assert_close(best.score[row], path.score[0], rtol=1e-6, atol=1e-6)
    for name, parameter in crf.named_parameters():
        torch.testing.assert_close(gradient[name], parameter.grad, rtol=1e-5, atol=1e-6)  # sums over rows


def test_row_of_length_zero_has_probability_one() -> None:
    crf = drawn()
    nothing = torch.zeros(2, 0, K, dtype=torch.float64)
    assert crf(nothing, torch.zeros(2, 0, dtype=torch.int64)).tolist() == [0, 0]
    assert crf.best_path(nothing).tags.shape == (2, 0)
    some = torch.randn(1, 3, K, dtype=torch.float64)
    assert crf(some, torch.zeros(1, 3, dtype=torch.int64), [0]).tolist() == [0]
    assert crf.best_path(some, [0]).score.tolist() == [0]


def test_half_precision_is_summed_in_float32() -> None:
    crf, emissions = drawn(dtype=torch.float32), (3 * torch.randn(2, 200, K)).bfloat16()
    tags = torch.randint(K, (2, 200))
    expected = crf.double()(emissions.double(), tags)
    crf.float()
    with torch.autocast("cpu", torch.bfloat16):
        found = crf(emissions, tags)
        assert crf.best_path(emissions).score.dtype == torch.float32
    assert found.dtype == torch.float32
    # float32: 200 sums of about 1,000 nats; in bfloat16 they would be off by whole nats
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-3)


def test_large_scores_stay_finite() -> None:
    crf, tags = drawn(), torch.zeros(1, 3, dtype=torch.int64)
    emissions = torch.tensor([[[1e4, -1e4, 0.0]] * 3], dtype=torch.float64, requires_grad=True)
    likelihood = crf(emissions, tags)
    likelihood.sum().backward()
    assert likelihood.item() == pytest.approx(0, abs=1e-9)  # every other path is out of reach
    assert emissions.grad is not None
    assert emissions.grad.isfinite().all()


def test_learns_transitions() -> None:
    """Uninformative emissions, and alternating tags."""
    crf, tags = CRF(2), torch.tensor([[0, 1, 0, 1, 0, 1]])
    optimizer = torch.optim.Adam(crf.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        (-crf(torch.zeros(1, 6, 2), tags)).sum().backward()
        optimizer.step()
    assert crf.best_path(torch.zeros(1, 8, 2)).tags.tolist() == [[0, 1] * 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(2, 5, 4), torch.zeros(2, 5).long()),
         r"emissions must be floating point \(B, T, 3\)\. Got torch\.float32 \(2, 5, 4\)\."),
        ((torch.zeros(5, 3), torch.zeros(5).long()),
         r"emissions must be floating point \(B, T, 3\)\. Got torch\.float32 \(5, 3\)\."),
        ((torch.zeros(2, 5, 3).long(), torch.zeros(2, 5).long()),
         r"emissions must be floating point \(B, T, 3\)\. Got torch\.int64 \(2, 5, 3\)\."),
        ((torch.zeros(2, 5, 3), torch.zeros(2, 4).long()),
         r"tags must be whole numbers of shape \(2, 5\)\. Got torch\.int64 \(2, 4\)\."),
        ((torch.zeros(2, 5, 3), torch.zeros(2, 5)),
         r"tags must be whole numbers of shape \(2, 5\)\. Got torch\.float32 \(2, 5\)\."),
        ((torch.zeros(2, 5, 3), torch.full((2, 5), 3)), r"tags must be 0 to 2\. Got 3\."),
        ((torch.zeros(2, 5, 3), torch.full((2, 5), -100), [0, 1]), r"tags must be 0 to 2\. Got -100\."),
        ((torch.zeros(2, 5, 3), torch.zeros(2, 5).long(), [1, 6]),
         r"lengths\[1\] must be 0 to 5, the steps of the input\. Got 6\."),
        ((torch.zeros(2, 5, 3), torch.zeros(2, 5).long(), [1]),
         r"lengths must be 2, one for each row\. Got 1\."),
    ],
)  # fmt: skip
def test_invalid_arguments_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^CRF: {message}$"):
        CRF(K)(*arguments)


@pytest.mark.parametrize("num_tags", [0, 2.0, True])
def test_the_number_of_tags(num_tags: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^CRF: num_tags must be an int >= 1\. Got {num_tags}\.$"):
        CRF(num_tags)
