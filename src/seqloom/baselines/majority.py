"""Baselines by counting: the most frequent value, the share of each class, the tags of each word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

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


def conditional_shares(counts: numpy.ndarray) -> numpy.ndarray:
    """The share (V, K) of each class given a word, from `counts` (V, K) of both together.

    Each word has one more count, divided among the classes by their overall shares, which are smoothed too.

    >>> conditional_shares(numpy.array([[1, 0], [0, 0]])).round(2)
    array([[0.83, 0.17],
           [0.67, 0.33]])
    """
    shares = (counts.sum(0) + 1) / (counts.sum() + counts.shape[1])
    return (counts + shares) / (counts.sum(1, keepdims=True) + 1)
