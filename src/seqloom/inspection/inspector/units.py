"""Units that follow a property, by score and not by eye; and places at which the same units are on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy

from seqloom.inspection.inspector.properties import MIN_STEPS, Property

THRESHOLD = 0.3
"""From where on a unit counts as on, as a share of the greatest value of its layer"""
MAX_MATCHES = 12


class UnitScore(NamedTuple):
    """A unit that follows a property.

    Fields:
        property: its name.
        name: of the value, `layers.0.cell`.
        unit: its number.
        score: how well it tells steps with the property from those without (0: not at all, 1: always), or how
            well its order is that of the number; on steps that it was not chosen by, where there are enough.
        chosen_by: the same on the steps that it was chosen by.
        sign: 1 where the unit rises with the property, -1 where it falls.
        is_held_out: whether the two were other steps.
    """

    property: str
    name: str
    unit: int
    score: float
    chosen_by: float
    sign: int
    is_held_out: bool


def follow(values: numpy.ndarray, one: Property) -> numpy.ndarray:
    """How well each unit follows a property: (H,) from -1 to 1.

    Of a property that is there or not, 2 A - 1, where A is the area under the curve of true against false
    positive rates; of a number, the rank correlation (Spearman).

    Args:
        values: (T, H) of the units.
        one: the property of the T steps.

    >>> steps = Property("late", numpy.array([0.0, 0.0, 1.0, 1.0]))
    >>> follow(numpy.array([[0.1, 5.0], [0.2, 4.0], [0.3, 3.0], [0.4, 2.0]]), steps).tolist()
    [1.0, -1.0]
    """
    ranks = _ranks(values)
    if one.is_number:
        other = _ranks(one.values[:, None])
        ranks, other = ranks - ranks.mean(0), other - other.mean(0)
        norms = numpy.sqrt((ranks**2).sum(0) * (other**2).sum(0))
        return numpy.divide((ranks * other).sum(0), norms, out=numpy.zeros(len(norms)), where=norms > 0)
    mask = one.values > 0
    with_it, without = mask.sum(), (~mask).sum()
    if not with_it or not without:
        return numpy.zeros(values.shape[1])
    area = (ranks[mask].sum(0) - with_it * (with_it - 1) / 2) / (with_it * without)
    return 2 * area - 1


def _ranks(values: numpy.ndarray) -> numpy.ndarray:
    """From 0 on, in each column; equal values share the mean of their ranks."""
    order = values.argsort(0, kind="stable")
    ranks = numpy.empty(values.shape)
    numpy.put_along_axis(ranks, order, numpy.arange(len(values), dtype=float)[:, None], 0)
    for column in range(values.shape[1]):
        _, group, counts = numpy.unique(values[:, column], return_inverse=True, return_counts=True)
        if len(counts) < len(values):
            ranks[:, column] = (numpy.bincount(group, ranks[:, column]) / counts)[group]
    return ranks


def best_units(
    arrays: Mapping[str, numpy.ndarray], properties: Sequence[Property], most: int = 1
) -> list[UnitScore]:
    """For each property the units that follow it best; first those that were scored on other steps.

    They are chosen on the first half of the steps and scored on the second, so that the best of many is not
    the luckiest; on all steps where a half has too few.

    Args:
        arrays: (T, H) of each value by name.
        properties: of the T steps.
        most: units a property.
    """
    scores = []
    for one in properties:
        half = len(one.values) // 2
        halves = [one._replace(values=one.values[:half]), one._replace(values=one.values[half:])]
        is_held_out = all(map(_is_enough, halves))
        ranked = []
        for name, values in arrays.items():
            chosen = follow(values[:half], halves[0]) if is_held_out else follow(values, one)
            measured = follow(values[half:], halves[1]) if is_held_out else chosen
            for unit in numpy.abs(chosen).argsort(kind="stable")[::-1][:most]:
                sign = 1 if chosen[unit] >= 0 else -1
                score = float(sign * measured[unit])
                result = UnitScore(
                    one.name, name, int(unit), score, float(abs(chosen[unit])), sign, is_held_out
                )
                ranked.append(result)
        scores += sorted(ranked, key=lambda result: -result.chosen_by)[:most]
    return sorted(scores, key=lambda result: (not result.is_held_out, -result.score))


def _is_enough(one: Property) -> bool:
    if one.is_number:
        return len(one.values) >= 4 * MIN_STEPS
    return MIN_STEPS <= one.values.sum() <= len(one.values) - MIN_STEPS


class Match(NamedTuple):
    """Steps at which units of a selection are on together: from `start` to before `end`, and their share."""

    start: int
    end: int
    share: float


def select_units(values: numpy.ndarray, start: int, end: int, threshold: float = THRESHOLD) -> list[int]:
    """The units that are on at every step of a selection, and not right before and after it.

    Where there are none, those that are on throughout. (LSTMVis, Strobelt et al. 2018, arXiv:1606.07461)

    Args:
        values: (T, H).
        start: of the selection.
        end: the step after it.
        threshold: from where on a unit is on, as a share of the greatest absolute value.
    """
    on = numpy.abs(values) >= threshold * numpy.abs(values).max()
    throughout = on[start:end].all(0)
    outside = numpy.zeros(values.shape[1], dtype=bool)
    for step in (start - 1, end):
        if 0 <= step < len(values):
            outside |= on[step]
    exact = throughout & ~outside
    return numpy.flatnonzero(exact if exact.any() else throughout).tolist()


def match_units(
    values: numpy.ndarray, units: Sequence[int], start: int, end: int, threshold: float = THRESHOLD
) -> list[Match]:
    """Other runs of steps at which at least half of some units are on together, the most of them first.

    Args:
        values: (T, H).
        units: of a selection.
        start: of the selection, which is left out.
        end: the step after it.
        threshold: as for `select_units`.
    """
    if not units:
        return []
    on = (numpy.abs(values) >= threshold * numpy.abs(values).max())[:, list(units)].mean(1)
    matches, first = [], None
    for step in range(len(values) + 1):
        is_on = step < len(values) and on[step] >= 0.5 and not start <= step < end
        if is_on and first is None:
            first = step
        elif not is_on and first is not None:
            matches.append(Match(first, step, float(on[first:step].max())))
            first = None
    return sorted(matches, key=lambda one: (-one.share, one.start))[:MAX_MATCHES]
