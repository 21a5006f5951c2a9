"""Output layers: their likelihoods are those of scipy, quantiles do not cross, draws are as they say."""

from __future__ import annotations

import numpy
import pytest
import torch
from scipy import stats

from seqloom.models.forecasting.outputs import OutputKind, OutputLayer, interpolate


def test_student_t_is_that_of_scipy() -> None:
    output = OutputLayer("student_t")
    parameters = output.arrange(torch.tensor([0.3, -1.0, 2.0]).double(), torch.tensor(1.0).double())
    center, spread, df = parameters.tolist()
    assert df > 2
    y = torch.tensor([-2.0, 0.5, 9.0]).double()
    expected = -stats.t.logpdf(y.numpy(), df, center, spread)
    numpy.testing.assert_allclose(output.loss(parameters.expand(3, 3), y).numpy(), expected)
    quantiles = output.quantiles(parameters.numpy(), [0.1, 0.9])
    numpy.testing.assert_allclose(quantiles, stats.t.ppf([0.1, 0.9], df, center, spread))


def test_negative_binomial_is_that_of_scipy() -> None:
    output, scale = OutputLayer("negative_binomial"), 4.0
    parameters = output.arrange(torch.tensor([0.2, 0.5]).double(), torch.tensor(1.5).double())
    mean, alpha = parameters.tolist()
    counts = torch.tensor([0.0, 3.0, 20.0]).double()
    distribution = stats.nbinom(1 / alpha, 1 / (1 + alpha * mean * scale))
    nats = output.loss(parameters.expand(3, 2), counts / scale, scale)
    numpy.testing.assert_allclose(nats.numpy(), -distribution.logpmf(counts.numpy()))
    assert distribution.mean() == pytest.approx(mean * scale)
    quantiles = output.quantiles(parameters.numpy(), [0.1, 0.9], scale)
    assert quantiles is not None
    numpy.testing.assert_allclose(quantiles * scale, distribution.ppf([0.1, 0.9]))


def test_a_mean_of_counts_is_above_zero() -> None:
    parameters = OutputLayer("negative_binomial").arrange(torch.tensor([-5.0, 0.0]), torch.tensor(0.0))
    assert (parameters > 0).all()


def test_quantiles_never_cross() -> None:
    output = OutputLayer("quantile", (0.1, 0.5, 0.9))
    raw = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert (output.arrange(raw, torch.zeros(50)).diff(dim=-1) >= 0).all()


def test_pinball_loss_is_least_at_the_quantile() -> None:
    output = OutputLayer("quantile", (0.8,))
    y = torch.arange(100.0)
    losses = [output.loss(torch.full((100, 1), float(value)), y).mean() for value in range(100)]
    assert int(torch.stack(losses).argmin()) in (79, 80)


def test_interpolation_goes_through_what_is_known_and_beyond_as_a_normal_distribution() -> None:
    known = (0.1, 0.3, 0.5, 0.7, 0.9)
    values = 2 + 3 * stats.norm.ppf(known)
    levels = (0.01, 0.1, 0.2, 0.5, 0.99)
    numpy.testing.assert_allclose(interpolate(values, known, levels), 2 + 3 * stats.norm.ppf(levels))


@pytest.mark.parametrize("kind", ["quantile", "student_t", "negative_binomial"])
def test_draws_have_the_quantiles_of_the_distribution(kind: OutputKind) -> None:
    output = OutputLayer(kind, tuple(float(level) for level in numpy.linspace(0.02, 0.98, 25)))
    raw = torch.linspace(-1, 1, output.size).double()
    parameters = output.arrange(raw, torch.tensor(2.0).double()).expand(40_000, -1)
    draws = output.sample(parameters, torch.Generator().manual_seed(0), 5.0).numpy()
    levels = [0.2, 0.5, 0.8]
    expected = output.quantiles(parameters[0].numpy(), levels, 5.0)
    assert expected is not None
    # Counts come in steps of 1 / 5; of 40,000 draws a quantile is known to about 0.02.
    numpy.testing.assert_allclose(numpy.quantile(draws, levels), expected, atol=0.06)
