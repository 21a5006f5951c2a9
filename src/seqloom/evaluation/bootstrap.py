"""Bootstrap intervals: how far a metric would vary on other data of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy

from seqloom.progress import phase
from seqloom.tasks.base import Rows

RESAMPLES = 1000
CONFIDENCE = 0.95


def bootstrap(
    score: Callable[[Rows], Mapping[str, float]], rows: Rows, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of every metric, over rows drawn with replacement (Efron 1979).

    Args:
        score: the metrics of some rows, by name.
        rows: of a split.
        seed: draws the rows.

    Returns:
        The lower and upper end of each metric's interval, by the metric's name.

    >>> rows = Rows(nats=numpy.arange(100.0), units=numpy.ones(100))
    >>> low, high = bootstrap(lambda rows: {"loss": rows.mean()}, rows)["loss"]
    >>> low < rows.mean() < high
    True
    """
    generator = numpy.random.default_rng(seed)
    number = len(rows.nats)
    draws: dict[str, list[float]] = {}
    with phase("resampling", total=RESAMPLES) as resampling:
        for _ in range(RESAMPLES):
            drawn = rows.take(generator.integers(number, size=number))
            for name, value in score(drawn).items():
                draws.setdefault(name, []).append(value)
            resampling.advance()
    tail = (1 - CONFIDENCE) / 2
    return {
        name: (float(numpy.quantile(values, tail)), float(numpy.quantile(values, 1 - tail)))
        for name, values in draws.items()
    }
