"""Means over seeds, their spread, and whether two of them differ by more than that."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

LEVEL = 0.05
"""Of Welch's test, two-sided"""


class Difference(NamedTuple):
    """How far the mean of one variant is from another's."""

    better: str
    worse: str
    difference: float
    """Of the means, in the metric's unit, at least 0"""
    p: float | None
    """Of Welch's t test over seeds, corrected for the number of pairs (Holm, 1979); None: there is one seed,
    whose spread nobody knows"""

    @property
    def is_larger_than_spread(self) -> bool | None:
        """Whether chance between seeds makes so large a difference in less than 5 % of cases."""
        return None if self.p is None else self.p < LEVEL

    def describe(self, metric: str) -> str:
        """In a sentence."""
        if self.difference == 0:
            return f"{self.better} and {self.worse}: no difference in {metric}."
        start = f"{self.better} is ahead of {self.worse} by {self.difference:.4g} in {metric}"
        if self.p is None:
            return f"{start}, of one seed: whether that is more than chance, nobody knows."
        verdict = "larger than" if self.is_larger_than_spread else "no larger than"
        return f"{start}: {verdict} the seeds' spread (Welch's test, p = {self.p:.2g})."


def spread(values: Sequence[float]) -> float | None:
    """The standard deviation over seeds; None of one."""
    return statistics.stdev(values) if len(values) > 1 else None


def compare_means(scores: dict[str, Sequence[float]], higher_is_better: bool) -> list[Difference]:
    """Every pair of variants, the better one first.

    Args:
        scores: by variant, a score for each seed.
        higher_is_better: which way is better.

    >>> [pair] = compare_means({"gru": [0.80, 0.82, 0.81], "rnn": [0.60, 0.63, 0.59]}, True)
    >>> pair.better, round(pair.difference, 3), pair.is_larger_than_spread
    ('gru', 0.203, True)
    """
    sign = -1 if higher_is_better else 1
    names = sorted(scores, key=lambda name: sign * statistics.fmean(scores[name]))
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    corrected = correct([welch(scores[a], scores[b]) for a, b in pairs])
    return [
        Difference(
            a,
            b,
            abs(statistics.fmean(scores[a]) - statistics.fmean(scores[b])),
            p,
        )
        for (a, b), p in zip(pairs, corrected, strict=True)
    ]


def correct(values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction of p, by which one of many pairs is seldom taken for different by chance.

    >>> correct([0.01, 0.04, 0.5])
    [0.03, 0.08, 0.5]
    """
    known = sorted((p, place) for place, p in enumerate(values) if p is not None)
    corrected: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected


def welch(a: Sequence[float], b: Sequence[float]) -> float | None:
    """The p of Welch's t test that two means are the same; None of fewer than two values.

    >>> round(welch([1.0, 2.0, 3.0], [2.0, 4.0, 5.0]), 4)  # as scipy.stats.ttest_ind(equal_var=False)
    0.2002
    """
    if min(len(a), len(b)) < 2:
        return None
    parts = [statistics.variance(values) / len(values) for values in (a, b)]
    distance = abs(statistics.fmean(a) - statistics.fmean(b))
    if math.isclose(sum(parts), 0, abs_tol=1e-24):
        return 1.0 if distance == 0 else 0.0
    from scipy.special import stdtr

    t = distance / math.sqrt(sum(parts))
    degrees = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (a, b), strict=True)
    )
    return float(2 * stdtr(degrees, -t))
