"""Model and baseline side by side, row by row, so that what is hard for both does not count as chance."""

from __future__ import annotations

import numpy

from seqloom.tasks.base import Rows


def pair_rows(baseline: Rows, spans: numpy.ndarray | None) -> Rows | None:
    """The baseline's rows, summed to those of the model; None where they cannot be matched.

    Args:
        baseline: a row for each item of the split, or for each token of its text, in order.
        spans: of the model's rows, (rows, 2): first and end among the baseline's.

    >>> baseline = Rows(nats=numpy.array([1.0, 2, 3, 4, 5]), units=numpy.ones(5))
    >>> pair_rows(baseline, numpy.array([[3, 5], [0, 3]])).nats
    array([9., 6.])
    """
    if spans is None or not len(spans) or spans.max() > len(baseline.nats):
        return None
    covered = numpy.zeros(len(baseline.nats) + 1, dtype=numpy.int64)
    numpy.add.at(covered, spans[:, 0], 1)
    numpy.add.at(covered, spans[:, 1], -1)
    if covered.cumsum().max() > 1:
        return None

    def sum_rows(values: numpy.ndarray) -> numpy.ndarray:
        sums = values.cumsum(0, dtype=numpy.float64)
        before = numpy.concatenate([numpy.zeros_like(sums[:1]), sums])
        return before[spans[:, 1]] - before[spans[:, 0]]

    counts = {name: sum_rows(values) for name, values in baseline.counts.items()}
    return Rows(sum_rows(baseline.nats), sum_rows(baseline.units), counts)
