"""How much of the training data a baseline is fitted on, by the time that it has."""

from __future__ import annotations

from collections.abc import Callable

import numpy
import pytest

from seqloom.baselines import budget as module
from seqloom.baselines.budget import Budget, draw_sample


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which only fitting moves on."""
    now = [0.0]
    monkeypatch.setattr(module, "perf_counter", lambda: now[0])
    return now


def costly(clock: list[float], seconds_per_example: float) -> tuple[Callable[[int], int], list[int]]:
    sizes: list[int] = []

    def fit(size: int) -> int:
        sizes.append(size)
        clock[0] += size * seconds_per_example
        return size

    return fit, sizes


def test_with_time_enough_all_are_fitted(clock: list[float]) -> None:
    fit, sizes = costly(clock, 1e-4)
    assert Budget(60.0).fit(fit, 67_349) == (67_349, 67_349)
    assert sizes == sorted(sizes)
    assert clock[0] < 1.2 * 67_349 * 1e-4  # what is measured first is small


@pytest.mark.parametrize("seconds", [0.001, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("exponent", [1.0, 1.3])
def test_it_takes_no_longer_than_it_may(clock: list[float], seconds: float, exponent: float) -> None:
    def fit(size: int) -> int:
        clock[0] += 2e-4 * size**exponent
        return size

    predictions, fitted = Budget(seconds).fit(fit, 1_000_000)
    assert predictions == fitted
    smallest = 1_000_000 >> 10
    assert clock[0] <= seconds or fitted == smallest
    assert fitted in {1_000_000 >> halvings for halvings in range(11)}


def test_it_says_how_long_fitting_took(clock: list[float]) -> None:
    fit, _ = costly(clock, 1e-3)
    for limit, seconds in ((None, 8.0), (0.5, 1.0)):
        budget = Budget(limit)
        clock[0] += 100.0  # reading the data is no part of it
        budget.fit(fit, 8000)
        assert budget.seconds == pytest.approx(seconds)


def test_little_data_is_fitted_as_a_whole(clock: list[float]) -> None:
    fit, sizes = costly(clock, 1.0)
    assert Budget(0.1).fit(fit, 1000) == (1000, 1000)
    assert sizes == [1000]


def test_a_sample_has_no_order_and_is_always_the_same() -> None:
    sample = draw_sample(1000, 100)
    assert len(set(sample.numbers.tolist())) == 100
    assert sample.numbers.tolist() == sorted(sample.numbers.tolist())
    assert draw_sample(1000, 100).numbers.tolist() == sample.numbers.tolist()
    labels = [number % 2 for number in range(1000)]  # rows that alternate must not become rows of one label
    assert 30 < sum(sample.of(labels)) < 70
    assert list(draw_sample(5, 5).of("abcde")) == list("abcde")
    assert numpy.issubdtype(sample.numbers.dtype, numpy.integer)
