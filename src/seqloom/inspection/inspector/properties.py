"""Properties of the steps of a text: inside quotes, position in the line, a label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy

from seqloom.errors import ConfigError

CLOSING = {"(": ")", "[": "]", "{": "}", "“": "”", "«": "»"}
MIN_STEPS = 6
"""With a property, and without it: of fewer nothing is said."""
MAX_LABELS = 8


class Property(NamedTuple):
    """A value for each step: true or false, or a number.

    Fields:
        name: in words.
        values: (T,) float64; 0 and 1 of a property that is there or not.
        is_number: whether it is a number rather than there or not.
    """

    name: str
    values: numpy.ndarray
    is_number: bool = False


def find_properties(steps: Sequence[str], labels: Sequence[str] = ()) -> list[Property]:
    """The properties that steps have often enough, and lack often enough.

    Args:
        steps: characters, subwords or words, as they are read.
        labels: of the steps, such as tags; empty for none.

    >>> text = 'he said "yes, of course" and "not now" to them all.'
    >>> [one.name for one in find_properties(text)][:2]
    ['inside quotes', 'position in the word']
    """
    whole = "".join(steps)
    is_fine = len(steps) > 0 and len(whole) < 2 * len(steps)  # characters, not words
    candidates = [Property("inside quotes", _inside_quotes(steps))]
    for opening, closing in CLOSING.items():
        candidates.append(Property(f"inside {opening} {closing}", _inside(steps, opening, closing)))
    if "\n" in whole:
        candidates.append(Property("position in the line", _since(steps, "\n"), is_number=True))
    if is_fine and " " in whole:
        candidates.append(Property("position in the word", _since(steps, " \n"), is_number=True))
    candidates += [
        Property("upper case", _mask(steps, lambda step: step.strip()[:1].isupper())),
        Property("digit", _mask(steps, lambda step: any(map(str.isdigit, step)))),
        Property("punctuation", _mask(steps, lambda step: bool(re.fullmatch(r"\s*[^\w\s]+\s*", step)))),
    ]
    frequent = sorted(set(labels), key=lambda label: (-list(labels).count(label), label))
    candidates += [
        Property(f"label {label}", numpy.array([one == label for one in labels], dtype=float))
        for label in frequent[:MAX_LABELS]
    ]
    if (numbers := _numbers(steps)) is not None:
        candidates.append(Property("the value", numbers, is_number=True))
    candidates.append(
        Property("position in the input", numpy.arange(len(steps), dtype=float), is_number=True)
    )
    return [one for one in candidates if _is_varied(one)]


def matching(steps: Sequence[str], pattern: str) -> Property:
    """Whether a step is part of what a regular expression matches in the whole text.

    Raises:
        ConfigError: it is no regular expression, or matches nothing, or everything.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError("--property", "expected a regular expression", got=f"{pattern}: {error}") from None
    starts = numpy.cumsum([0, *map(len, steps)])
    mask = numpy.zeros(len(steps))
    for match in compiled.finditer("".join(steps)):
        inside = (starts[:-1] < match.end()) & (starts[1:] > match.start())
        mask[inside] = 1.0
    if not 0 < mask.sum() < len(mask):
        got = f"{pattern}, which matches {'none' if not mask.any() else 'all'} of {len(mask)} steps"
        raise ConfigError("--property", "expected what matches a part of the input", got=got)
    return Property(f"matches {pattern}", mask)


def _is_varied(one: Property) -> bool:
    if one.is_number:
        return len(set(one.values.tolist())) > 2
    return MIN_STEPS <= one.values.sum() <= len(one.values) - MIN_STEPS


def _mask(steps: Sequence[str], has: object) -> numpy.ndarray:
    return numpy.array([bool(has(step)) for step in steps], dtype=float)  # type: ignore[operator]


def _inside_quotes(steps: Sequence[str]) -> numpy.ndarray:
    """From after a straight double quote up to the next; a line's end closes what was left open."""
    values, is_open = [], False
    for step in steps:
        values.append(is_open and '"' not in step)
        for character in step:
            is_open = False if character == "\n" else is_open ^ (character == '"')
    return numpy.array(values, dtype=float)


def _inside(steps: Sequence[str], opening: str, closing: str) -> numpy.ndarray:
    values, depth = [], 0
    for step in steps:
        values.append(depth > 0 and closing not in step)
        for character in step:
            depth = max(depth + (character == opening) - (character == closing), 0)
    return numpy.array(values, dtype=float)


def _numbers(steps: Sequence[str]) -> numpy.ndarray | None:
    """The steps of a series; None where they are no numbers."""
    try:
        values = numpy.array([float(step) for step in steps])
    except ValueError:
        return None
    return values if numpy.isfinite(values).all() else None


def _since(steps: Sequence[str], ends: str) -> numpy.ndarray:
    """Steps since the last that holds one of `ends`."""
    values, count = [], 0
    for step in steps:
        values.append(count)
        count = 0 if any(end in step for end in ends) else count + 1
    return numpy.array(values, dtype=float)
