"""The bootstrap interval, on which every report rests: how often it covers the truth."""

from __future__ import annotations

import numpy
import pytest

from seqloom.evaluation.bootstrap import bootstrap
from seqloom.tasks.base import Rows

SETS, AT_ONCE = 1000, 50
ROWS = 250
MAX_UNITS = 20
NATS_PER_UNIT = 2.0
ACCURACY = 0.8


def made_up_rows(generator: numpy.random.Generator) -> Rows:
    """Independent sets of rows side by side, (rows, sets), whose true loss and accuracy are known."""
    units = generator.integers(1, MAX_UNITS, size=(ROWS, AT_ONCE))
    nats = units * generator.gamma(shape=4.0, scale=NATS_PER_UNIT / 4.0, size=units.shape)
    counts = {"units": units, "nats": nats, "correct": generator.random(units.shape) < ACCURACY}
    return Rows(nats[:, 0], units[:, 0], counts)


def score(rows: Rows) -> dict[str, float]:
    """The metrics of every set: `loss 0`, `accuracy 0`, `loss 1` and so on."""
    losses = rows.total("nats") / rows.total("units")
    accuracies = rows.total("correct") / len(rows.nats)
    return {f"loss {number}": value for number, value in enumerate(losses)} | {
        f"accuracy {number}": value for number, value in enumerate(accuracies)
    }


def test_95_percent_intervals_cover_the_truth_in_93_to_97_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    # Fewer resamples than a report draws: enough for the share, in less time.
    monkeypatch.setattr("seqloom.evaluation.bootstrap.RESAMPLES", 400)
    generator = numpy.random.default_rng(0)
    truth, covered = {"loss": NATS_PER_UNIT, "accuracy": ACCURACY}, {"loss": 0, "accuracy": 0}
    for number in range(SETS // AT_ONCE):
        intervals = bootstrap(score, made_up_rows(generator), seed=number).metrics
        for name, (low, high) in intervals.items():
            metric = name.split()[0]
            covered[metric] += low <= truth[metric] <= high
    assert 0.93 <= covered["loss"] / SETS <= 0.97, covered
    assert 0.93 <= covered["accuracy"] / SETS <= 0.97, covered


def test_a_seed_draws_an_interval() -> None:
    rows = made_up_rows(numpy.random.default_rng(0))._replace(counts={})

    def loss_interval(seed: int) -> tuple[float, float]:
        return bootstrap(lambda drawn: {"loss": drawn.mean()}, rows, seed).metrics["loss"]

    assert loss_interval(1) == loss_interval(1)
    assert loss_interval(1) != loss_interval(2)


def test_rows_that_are_all_alike_have_an_interval_of_one_point() -> None:
    rows = Rows(numpy.full(20, 3.0), numpy.full(20, 2))
    assert bootstrap(lambda drawn: {"loss": drawn.mean()}, rows).metrics == {"loss": (1.5, 1.5)}
