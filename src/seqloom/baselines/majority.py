"""Baselines by counting: the most frequent value, the share of each class, the tags of each word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, TypeVar, final

import numpy

T = TypeVar("T")


def most_frequent(values: Iterable[T]) -> T:
    """The most frequent value, the first of those that are equally frequent.

    >>> most_frequent(["b", "a", "a"])
    'a'
    """
    return Counter(values).most_common(1)[0][0]


def class_shares(targets: numpy.ndarray, num_classes: int) -> numpy.ndarray:
    """The share (K,) of each class number in `targets` (N,), with one more row of each class.

    >>> class_shares(numpy.array([0, 0]), num_classes=2)
    array([0.75, 0.25])
    """
    counts = numpy.bincount(targets, minlength=num_classes) + 1.0
    return counts / counts.sum()


class PairCounts(NamedTuple):
    """How often each class was there with each word: a table (V, K), of which only what is not 0 is kept.

    Fields:
        pairs: (N,) int64, K * word + class, ascending.
        counts: (N,) int64.
        shape: V and K.
    """

    pairs: numpy.ndarray
    counts: numpy.ndarray
    shape: tuple[int, int]


@final
class ConditionalShares:
    """The share of each class given a word, by counts of both together.

    Each word has one more count, divided among the classes by their overall shares, which are smoothed too.
    The table (V, K) is never in memory: of 150,000 words and 1,000 classes it would take 1.2 GB.

    Args:
        counted: see `PairCounts`.

    >>> shares = ConditionalShares(PairCounts(numpy.array([0]), numpy.array([1]), (2, 2)))
    >>> shares.of(numpy.array([0, 0, 1, 1]), numpy.array([0, 1, 0, 1])).round(2)
    array([0.83, 0.17, 0.67, 0.33])
    >>> shares.most_frequent
    array([0, 0])
    """

    def __init__(self, counted: PairCounts) -> None:
        self._counted = counted
        num_words, num_classes = counted.shape
        words, classes = numpy.divmod(counted.pairs, num_classes)
        of_class = numpy.bincount(classes, counted.counts, num_classes)
        self._totals = numpy.bincount(words, counted.counts, num_words)
        self._shares = (of_class + 1) / (of_class.sum() + num_classes)
        self.most_frequent = numpy.full(num_words, self._shares.argmax())
        """(V,) the most frequent class of each word; the first of those that are equally frequent"""
        # Whatever was counted once is more than a share. The best of a word is last, and stays.
        order = numpy.lexsort((-classes, counted.counts + self._shares[classes], words))
        self.most_frequent[words[order]] = classes[order]

    def of(self, words: numpy.ndarray, classes: numpy.ndarray) -> numpy.ndarray:
        """The share (n,) of each of `classes` (n,) given its word (n,)."""
        pairs, counts, (_, num_classes) = self._counted
        wanted = words * num_classes + classes
        places = numpy.searchsorted(pairs, wanted).clip(max=len(pairs) - 1)
        together = numpy.where(pairs[places] == wanted, counts[places], 0)
        return (together + self._shares[classes]) / (self._totals[words] + 1)
