"""Each key of a piano roll given itself in the frame before: two probabilities a key, counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy

SMOOTHING = 0.5
"""Added to every count (Jeffreys' prior): no key is impossible."""


@final
class MarkovKeys:
    """p(v_t,k = 1 | v_{t-1,k}) for every key k.

    Args:
        rolls: arrays (T, K) of 0 and 1 to count in; of all rolls in one, or one by one.

    >>> keys = MarkovKeys([numpy.array([[0], [0], [1], [1], [1]])])
    >>> keys.probabilities.round(2).tolist()
    [[0.5], [0.83]]
    """

    def __init__(self, rolls: Sequence[numpy.ndarray]) -> None:
        num_keys = rolls[0].shape[1]
        counts = numpy.full((2, 2, num_keys), SMOOTHING)
        for roll in rolls:
            before, now = roll[:-1].astype(bool), roll[1:].astype(bool)
            for was in (0, 1):
                for sounds in (0, 1):
                    counts[was, sounds] += ((before == was) & (now == sounds)).sum(0)
        self.probabilities: numpy.ndarray = counts[:, 1] / counts.sum(1)
        """(2, K): of sounding, after silence and after sounding"""

    def nats(self, roll: numpy.ndarray) -> numpy.ndarray:
        """Nats of each frame (T,), summed over its keys; the first one follows silence."""
        before = numpy.concatenate([numpy.zeros_like(roll[:1]), roll[:-1]])
        sounding = numpy.where(before == 1, self.probabilities[1], self.probabilities[0])
        return -numpy.log(numpy.where(roll == 1, sounding, 1 - sounding)).sum(1)

    def sample(self, count: int, random: numpy.random.Generator) -> numpy.ndarray:
        """A roll (count, K) of uint8 that begins after silence."""
        uniforms = random.random((count, self.probabilities.shape[1]))
        roll = numpy.zeros(uniforms.shape, dtype=numpy.uint8)
        sounds = numpy.zeros(uniforms.shape[1], dtype=bool)
        for step in range(count):
            sounds = uniforms[step] < numpy.where(sounds, self.probabilities[1], self.probabilities[0])
            roll[step] = sounds
        return roll
