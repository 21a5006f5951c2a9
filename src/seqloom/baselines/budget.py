"""The time that a baseline may take: it is fitted on all of the training data, or on a share that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import NamedTuple, TypeVar, final

import numpy

T = TypeVar("T")

MIN_SIZE = 1000
"""Examples that are always fitted, however short the time: it takes a moment."""
MIN_CHARACTERS = 500_000
"""Of texts that are always fitted."""
MEASURED_TEXTS = 20_000
"""Texts of which the average length is taken"""
MAX_DOUBLINGS = 3
"""The cost of at most eight times as much is predicted: further, an estimate says little. The last step is
one of eight times, so that what was measured before adds little."""
MAX_CHARACTERS = 30_000_000
"""Of the training texts, some five million words: their pairs of words take half a gigabyte."""
COST_EXPONENT = 1.3
"""An optimizer needs more iterations for more rows, so that twice as many take more than twice as long."""


@final
class Budget:
    """Seconds that fitting a baseline may take.

    Args:
        limit: in seconds; None: as many as it needs.

    >>> Budget().fit(lambda size: f"fitted on {size}", 5000)
    ('fitted on 5000', 5000)
    """

    def __init__(self, limit: float | None = None) -> None:
        self._limit = limit
        self.seconds: float | None = None
        """How long fitting took; None before it"""

    def fit(self, fit: Callable[[int], T], size: int, min_size: int = MIN_SIZE) -> tuple[T, int]:
        """Fit on all, or on the largest half, quarter, eighth … that the time is enough for.

        The cost is measured on a small share, then on larger ones. So which share it is depends on the
        machine, but only by powers of two, and data of at most `min_size` is always fitted as a whole.

        Args:
            fit: fits on so many examples, and gives what the baseline predicts.
            size: examples that there are.
            min_size: examples that are fitted in any case.

        Returns:
            What `fit` gave, and on how many examples it was fitted.
        """
        started = perf_counter()
        fitted = (fit(size), size) if self._limit is None else self._fit(fit, size, min_size, self._limit)
        self.seconds = perf_counter() - started
        return fitted

    def _fit(self, fit: Callable[[int], T], size: int, min_size: int, limit: float) -> tuple[T, int]:
        end = perf_counter() + limit
        halvings = 0
        while size >> halvings > min_size:
            halvings += 1
        while True:
            started = perf_counter()
            predictions = fit(size >> halvings)
            now = perf_counter()
            before, least = halvings, (halvings - 1) // MAX_DOUBLINGS * MAX_DOUBLINGS
            while halvings > max(least, 0) and (
                (now - started) * 2 ** (COST_EXPONENT * (before - halvings + 1)) <= end - now
            ):
                halvings -= 1
            if halvings == before:
                return predictions, size >> halvings


UNLIMITED = Budget()


class Sample(NamedTuple):
    """A share of the training data."""

    numbers: numpy.ndarray
    """Of the examples, in order."""

    def of(self, values: Iterable[T]) -> Iterator[T]:
        """These of the values of all examples, in order."""
        numbers = iter(self.numbers.tolist())
        wanted = next(numbers, None)
        for number, value in enumerate(values):
            if number == wanted:
                yield value
                wanted = next(numbers, None)


def draw_sample(size: int, count: int) -> Sample:
    """Draw `count` of `size` examples, always the same ones.

    >>> draw_sample(4, 4).numbers
    array([0, 1, 2, 3])
    """
    if count == size:
        return Sample(numpy.arange(size))
    return Sample(numpy.sort(numpy.random.default_rng(0).permutation(size)[:count]))


def sizes_for_texts(texts: Iterable[str], count: int) -> tuple[int, int]:
    """How many of `count` texts to fit: at most what has `MAX_CHARACTERS`, and in any case `MIN_CHARACTERS`.

    Args:
        texts: all of them, or some of which the average length is taken.
        count: how many there are.

    Returns:
        The arguments `size` and `min_size` of `Budget.fit`.

    >>> sizes_for_texts(["abcd", "ef"], 5), sizes_for_texts(["a" * 12_000], 5_000), sizes_for_texts([], 5)
    ((5, 1000), (2500, 41), (5, 1000))
    """
    rows = characters = 0
    for text in texts:
        rows, characters = rows + 1, characters + len(text)
    length = max(characters / max(rows, 1), 1.0)
    size = min(count, max(int(MAX_CHARACTERS / length), 1))
    return size, min(MIN_SIZE, max(int(MIN_CHARACTERS / length), 1))


def describe_share(fitted: int, size: int, unit: str) -> str:
    """For example `40,000 of 1,000,000 rows`; empty where it was all of them.

    >>> describe_share(5, 1000, "row"), describe_share(5, 5, "row")
    ('5 of 1,000 rows', '')
    """
    return "" if fitted == size else f"{fitted:,} of {size:,} {unit}s"
