"""Bootstrap intervals: how far a metric would vary on other data of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy

from seqloom.progress import phase
from seqloom.tasks.base import Rows

RESAMPLES = 1000
CONFIDENCE = 0.95


Ends: TypeAlias = tuple[float, float]


class Intervals(NamedTuple):
    """95 % intervals by the name of a metric: its lower and upper end."""

    metrics: Mapping[str, Ends]
    """Of the metrics of one model"""
    differences: Mapping[str, Ends]
    """Of how much more they are than another model's on the same rows; empty without one"""


def bootstrap(
    score: Callable[[Rows], Mapping[str, float]], rows: Rows, seed: int = 0, other: Rows | None = None
) -> Intervals:
    """95 % percentile intervals of every metric, over rows drawn with replacement (Efron 1979).

    Args:
        score: the metrics of some rows, by name.
        rows: of a split.
        seed: draws the rows.
        other: another model's, of the same rows: each draw takes the same ones of both (paired bootstrap,
            Koehn 2004), so that what is hard for both does not count as chance.

    >>> rows = Rows(nats=numpy.arange(100.0), units=numpy.ones(100))
    >>> low, high = bootstrap(lambda rows: {"loss": rows.mean()}, rows).metrics["loss"]
    >>> low < rows.mean() < high
    True
    """
    generator = numpy.random.default_rng(seed)
    number, rows = (
        len(rows.nats),
        rows._replace(spans=None),
    )  # which no metric needs, and each draw would copy
    metrics: dict[str, list[float]] = {}
    differences: dict[str, list[float]] = {}
    with phase("resampling", total=RESAMPLES) as resampling:
        for _ in range(RESAMPLES):
            drawn = generator.integers(number, size=number)
            beside = {} if other is None else score(other.take(drawn))
            for name, value in score(rows.take(drawn)).items():
                metrics.setdefault(name, []).append(value)
                if name in beside:
                    differences.setdefault(name, []).append(value - beside[name])
            resampling.advance()
    return Intervals(_intervals(metrics), _intervals(differences))


def _intervals(draws: Mapping[str, Sequence[float]]) -> dict[str, Ends]:
    tail = (1 - CONFIDENCE) / 2
    return {
        name: (float(numpy.quantile(values, tail)), float(numpy.quantile(values, 1 - tail)))
        for name, values in draws.items()
    }
