"""Shares of classes given a word, against the table of all of them."""

from __future__ import annotations

import numpy
import pytest

from seqloom.baselines.majority import ConditionalShares, PairCounts


def sparse(table: numpy.ndarray) -> PairCounts:
    (pairs,) = table.ravel().nonzero()
    return PairCounts(pairs, table.ravel()[pairs], table.shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("num_classes", [1, 2, 7])
def test_shares_are_those_of_the_whole_table(num_classes: int) -> None:
    table = numpy.random.default_rng(num_classes).poisson(0.7, (40, num_classes))
    overall = (table.sum(0) + 1) / (table.sum() + num_classes)
    expected = (table + overall) / (table.sum(1, keepdims=True) + 1)
    shares = ConditionalShares(sparse(table))
    words, classes = numpy.indices(table.shape)
    assert numpy.array_equal(shares.of(words, classes), expected)
    assert numpy.array_equal(shares.most_frequent, (table + overall).argmax(1))


def test_of_equally_frequent_classes_the_first_counts() -> None:
    shares = ConditionalShares(sparse(numpy.array([[0, 2, 2], [3, 0, 0], [0, 1, 1], [0, 0, 0]])))
    assert shares.most_frequent.tolist() == [1, 0, 1, 0]
