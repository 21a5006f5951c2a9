"""An inspection for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from seqloom.errors import one_line
from seqloom.inspection.inspector.inspect import Inspection
from seqloom.pages import number

NUM_EARLIER = 3
MAX_LINES = 12


def describe(inspection: Inspection) -> Iterator[str]:
    """Lines for a person."""
    trace = inspection.trace
    yield f"answer: {one_line(inspection.answer.text)}"
    yield f"steps: {len(inspection.steps):,}, values: {', '.join(trace)}"
    if inspection.connectivity is not None:
        yield from _describe_connectivity(inspection.connectivity, inspection.steps)
    for score in inspection.units[:MAX_LINES]:
        verb = "rises" if score.sign > 0 else "falls"
        where = "held-out steps" if score.is_held_out else "the steps it was chosen by"
        which = f"unit {score.unit} of {score.name}"
        yield f"{score.property}: {which} {verb} with it, score {number(score.score)} on {where}"
    if inspection.selection is not None:
        chosen = inspection.selection
        units = ", ".join(map(str, chosen.units)) or "none"
        yield f"on in steps {chosen.start}:{chosen.end} of {chosen.name}: units {units}"
        for match in chosen.matches:
            words = one_line("".join(inspection.steps[match.start : match.end]))
            yield f"  also {match.start}:{match.end} {words!r}: {match.share:.0%} of them"
    if inspection.expected is not None and inspection.expected.running is not None:
        running = inspection.expected.running
        forced, free = _at(running.forced_wrong), _at(running.free_wrong)
        yield f"told what came, first wrong: {forced}; by itself: {free}"
    if inspection.other is not None:
        other = inspection.other
        yield f"other answer: {one_line(other.answer.text)}"
        for name, values in other.distance.items():
            if values:
                last = number(values[-1])
                yield f"{name}: greatest distance {number(max(values))}, at the last common step {last}"


def _at(step: int | None) -> str:
    return "never" if step is None else f"step {step}"


def _describe_connectivity(norms: numpy.ndarray, steps: Sequence[str]) -> Iterator[str]:
    """What the last step depends on most, and how far back half of that reaches."""
    last = norms[len(norms) - 1]
    most = last.argsort()[::-1][:NUM_EARLIER]
    words = ", ".join(
        f"{place} {one_line(steps[int(place)])!r} {number(float(last[place]))}" for place in most
    )
    yield f"step {len(norms) - 1} depends most on {words}"
    reach = half_reach(norms)
    if reach is not None:
        where = "its own input" if reach < 1 else f"within {reach:g} steps before it"
        yield f"half of what a step depends on is {where}"


def half_reach(norms: numpy.ndarray) -> float | None:
    """The median over steps of how many steps back hold half of the norms of what is read up to then.

    >>> half_reach(numpy.tril(numpy.ones((9, 9))))
    2.5
    """
    reaches = []
    for step in range(len(norms) // 3, len(norms)):
        back = norms[step, : step + 1][::-1].cumsum()
        if back[-1] > 0:
            reaches.append(int((back >= back[-1] / 2).argmax()))
    return float(numpy.median(reaches)) if reaches else None


def to_json(inspection: Inspection) -> dict[str, Any]:
    """Plain JSON values: answer, steps, what follows what, and what each step depends on most."""
    trace, norms = inspection.trace, inspection.connectivity
    expected, other = inspection.expected, inspection.other
    depends = None
    if norms is not None:
        depends = [
            [[int(place), float(row[place])] for place in row.argsort()[::-1][:NUM_EARLIER] if row[place] > 0]
            for row in norms
        ]
    return {
        "run": inspection.run,
        "task": inspection.task,
        "input": inspection.value,
        "answer": inspection.answer.text,
        "steps": inspection.steps,
        "values": {name: list(values.shape) for name, values in trace.items()},
        "depends": depends,
        "half_reach_steps": None if norms is None else half_reach(norms),
        "units": [score._asdict() for score in inspection.units],
        "expects": None if expected is None else expected.likely,
        "running": None if expected is None or expected.running is None else expected.running._asdict(),
        "selection": None
        if inspection.selection is None
        else {
            **inspection.selection._asdict(),
            "matches": [one._asdict() for one in inspection.selection.matches],
        },
        "other": None
        if other is None
        else {
            "input": other.value,
            "answer": other.answer.text,
            "changed": other.changed,
            "pairs": [list(pair) for pair in other.pairs],
            "distance": other.distance,
            "units": [list(unit) for unit in other.units],
        },
    }
