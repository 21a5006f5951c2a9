"""Model and baseline row by row: matched by the items that each row measures, and compared."""

from __future__ import annotations

import numpy
import pytest

from seqloom.evaluation.bootstrap import bootstrap
from seqloom.evaluation.pairing import pair_rows
from seqloom.tasks.base import Rows


def baseline_rows(count: int = 6) -> Rows:
    counts = {"correct": numpy.arange(count) % 2 == 1, "pair": numpy.arange(2 * count).reshape(count, 2)}
    return Rows(numpy.arange(count, dtype=float), numpy.ones(count, dtype=numpy.int8), counts)


def test_rows_are_summed_over_the_spans_of_the_other_model() -> None:
    paired = pair_rows(baseline_rows(), numpy.array([[4, 6], [0, 1], [1, 4], [4, 4]]))
    assert paired is not None
    assert paired.nats.tolist() == [9, 0, 6, 0]
    assert paired.units.tolist() == [2, 1, 3, 0]
    assert paired.counts["correct"].tolist() == [1, 0, 2, 0]
    assert paired.counts["pair"].tolist() == [[18, 20], [0, 1], [12, 15], [0, 0]]


@pytest.mark.parametrize(
    "spans",
    [
        None,
        numpy.zeros((0, 2), dtype=int),
        numpy.array([[0, 7]]),  # beyond what the baseline was measured on
        numpy.array([[0, 3], [2, 4]]),  # twice the same item
    ],
)
def test_rows_that_cannot_be_matched_are_not(spans: numpy.ndarray | None) -> None:
    assert pair_rows(baseline_rows(), spans) is None


def test_what_is_hard_for_both_models_is_not_chance() -> None:
    """Losses that vary far more between rows than between models."""
    generator = numpy.random.default_rng(0)
    hard = generator.gamma(2.0, 1.0, size=400)
    model, other = (Rows(hard + shift, numpy.ones(400)) for shift in (0.0, 0.02))

    def score(rows: Rows) -> dict[str, float]:
        return {"loss": rows.mean()}

    low, high = bootstrap(score, model).metrics["loss"]
    assert low < other.mean() < high
    low, high = bootstrap(score, model, other=other).differences["loss"]
    assert low == pytest.approx(-0.02)
    assert high == pytest.approx(-0.02)


def test_a_difference_of_chance_covers_zero_in_95_of_100(monkeypatch: pytest.MonkeyPatch) -> None:
    # Fewer resamples than a report draws: enough for the share, in less time.
    monkeypatch.setattr("seqloom.evaluation.bootstrap.RESAMPLES", 300)
    generator, covered = numpy.random.default_rng(0), 0
    for seed in range(300):
        hard, noise = generator.gamma(2.0, 1.0, size=120), generator.normal(0, 0.3, size=(2, 120))
        rows = [Rows(hard + part, numpy.ones(120)) for part in noise]
        intervals = bootstrap(lambda rows: {"loss": rows.mean()}, rows[0], seed, rows[1])
        low, high = intervals.differences["loss"]
        covered += low <= 0 <= high
    assert 0.92 <= covered / 300 <= 0.98
