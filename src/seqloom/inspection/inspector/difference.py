"""Two inputs side by side: which steps are the same, and how far a change reaches."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy
from torch import Tensor

from seqloom.inference.tracing import Trace
from seqloom.tasks.base import Output

MAX_UNITS = 5


class Difference(NamedTuple):
    """How a second input differs from a first.

    Fields:
        value: the second input, as text.
        steps: of the second.
        answer: to the second.
        pairs: of the steps that both have, the number in the first and that in the second.
        changed: steps of the second that the first has not.
        distance: by the name of a hidden state, at each pair, the distance of the two states as a share of
            the mean of their norms.
        units: of all hidden states, those that differ most: name, unit, and the greatest difference.
    """

    value: str
    steps: list[str]
    answer: Output
    pairs: list[tuple[int, int]]
    changed: list[int]
    distance: dict[str, list[float]]
    units: list[tuple[str, int, float]]


def compare_traces(first: Trace, second: Trace, value: str, answer: Output) -> Difference:
    """Put the states of two inputs beside one another, step by step where both have the same.

    Args:
        first: of the one input.
        second: of the other.
        value: the other as text.
        answer: to the other.
    """
    blocks = SequenceMatcher(None, first.steps, second.steps, autojunk=False).get_matching_blocks()
    pairs = [(block.a + turn, block.b + turn) for block in blocks for turn in range(block.size)]
    same = {there for _, there in pairs}
    changed = [step for step in range(len(second.steps)) if step not in same]
    distance, units = {}, []
    for name, (one, two) in _hidden(first, second).items():
        here, there = numpy.array(pairs, dtype=int).reshape(-1, 2).T
        gap = one[here] - two[there]
        norms = (numpy.linalg.norm(one[here], axis=1) + numpy.linalg.norm(two[there], axis=1)) / 2
        distance[name] = (numpy.linalg.norm(gap, axis=1) / numpy.maximum(norms, 1e-12)).tolist()
        if len(gap):
            greatest = numpy.abs(gap).max(0)
            best = greatest.argsort()[::-1][:MAX_UNITS]
            units += [(name, int(unit), float(greatest[unit])) for unit in best]
    units.sort(key=lambda one: -one[2])
    return Difference(value, second.steps, answer, pairs, changed, distance, units[:MAX_UNITS])


def _hidden(first: Trace, second: Trace) -> Mapping[str, tuple[numpy.ndarray, numpy.ndarray]]:
    def is_read(trace: Trace, name: str) -> bool:
        values: Tensor = trace[name]
        return values.dim() == 2 and len(values) == len(trace.steps)

    return {
        name: (first[name].numpy(), second[name].numpy())
        for name in first
        if name.endswith(".hidden") and name in second and is_read(first, name) and is_read(second, name)
    }
