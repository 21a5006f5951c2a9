"""A piano roll, and what it must be.

A roll is an array (T, 88) of 0 and 1: T frames, steps of equal duration, and the keys of a piano from A0
(MIDI number 21) to C8 (108). A 1 says that the key sounds in the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy

from seqloom.errors import DataError

NUM_KEYS = 88
LOWEST_KEY = 21
"""MIDI number of the first key."""
HIGHEST_KEY = LOWEST_KEY + NUM_KEYS - 1


class Roll(NamedTuple):
    """A piano roll, and where it is from: `JSB_Chorales.mat, traindata 7`."""

    place: str
    frames: numpy.ndarray
    """(T, 88) uint8, 0 or 1"""


class RawRoll(NamedTuple):
    """A roll as a file has it, not yet looked at."""

    place: str
    values: Any
    convert: Callable[[Any, object], numpy.ndarray]
    """Makes frames of the values, or raises DataError"""

    def check(self) -> Roll:
        """The roll.

        Raises:
            DataError: it cannot be used.
        """
        return Roll(self.place, self.convert(self.values, self.place))


def check_frames(values: Any, place: object) -> numpy.ndarray:
    """A roll as uint8 (T, 88).

    Args:
        values: an array of numbers or truth values.
        place: what a message is about.

    Raises:
        DataError: another width, no frames, or another value than 0 and 1.

    >>> check_frames(numpy.eye(2, 88), "a roll").sum()
    np.uint64(2)
    >>> check_frames(numpy.zeros((4, 90)), "tune.npz")
    Traceback (most recent call last):
    ...
    seqloom.errors.DataError: tune.npz: a piano roll must be (steps, 88). Got (4, 90).
    """
    values = numpy.asarray(values)
    expected = f"a piano roll must be (steps, {NUM_KEYS})"
    if values.ndim != 2 or values.shape[1] != NUM_KEYS:
        hint = (
            "Is it turned around? Its rows are steps" if values.ndim == 2 and len(values) == NUM_KEYS else ""
        )
        raise DataError(place, expected, got=f"{values.shape}", hint=hint)
    if not len(values):
        raise DataError(place, "a piano roll must have at least one step", got="none")
    if values.dtype.kind not in "biuf":
        raise DataError(place, "a piano roll must be of numbers", got=f"{values.dtype}")
    is_binary = (values == 0) | (values == 1)
    if not is_binary.all():
        step, key = numpy.argwhere(~is_binary)[0]
        got = f"{values[step, key]} at step {step + 1}, key {key + 1}"
        raise DataError(place, "a piano roll must be of 0 and 1", got=got)
    return values.astype(numpy.uint8)


def frames_of_numbers(steps: Any, place: object) -> numpy.ndarray:
    """A roll (T, 88) of lists of the MIDI numbers that sound at each step.

    Raises:
        DataError: something else, or a number that is no key.

    >>> frames_of_numbers([[21, 108], []], "a tune").nonzero()
    (array([0, 0]), array([ 0, 87]))
    """
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        raise DataError(place, "expected a list of steps", got=f"{steps!r:.60}")
    frames = numpy.zeros((len(steps), NUM_KEYS), dtype=numpy.uint8)
    for number, keys in enumerate(steps):
        where = f"{place}, step {number + 1}"
        if not isinstance(keys, Sequence) or isinstance(keys, str):
            raise DataError(where, "expected a list of MIDI numbers", got=f"{keys!r:.60}")
        for key in keys:
            is_number = isinstance(key, int | float) and not isinstance(key, bool) and key == key // 1
            if not is_number or not LOWEST_KEY <= key <= HIGHEST_KEY:
                expected = f"must be MIDI numbers from {LOWEST_KEY} to {HIGHEST_KEY}"
                raise DataError(where, expected, got=f"{key!r:.60}")
            frames[number, int(key) - LOWEST_KEY] = 1
    return frames
