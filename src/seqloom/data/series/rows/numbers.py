"""Numbers as tables spell them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from seqloom.data.series.rows.times import is_missing


def parse_numbers(values: Sequence[Any]) -> tuple[numpy.ndarray, list[int]]:
    """A column of numbers.

    Args:
        values: texts or numbers; nothing, `NA` and the like are missing.

    Returns:
        (N,) float64, NaN where one is missing, and the rows of what is no finite number.

    >>> parse_numbers(["1.5", "NA", "x", "inf"])
    (array([1.5, nan, nan, nan]), [2, 3])
    """
    try:
        numbers = numpy.array(values, dtype=numpy.float64)
    except (ValueError, TypeError):
        try:
            numbers = numpy.array(
                [numpy.nan if is_missing(value) else value for value in values], numpy.float64
            )
        except (ValueError, TypeError, OverflowError):
            return _parse_one_by_one(values)
    except OverflowError:
        return _parse_one_by_one(values)
    infinite = numpy.flatnonzero(numpy.isinf(numbers))
    numbers[infinite] = numpy.nan
    return numbers, infinite.tolist()


def _parse_one_by_one(values: Sequence[Any]) -> tuple[numpy.ndarray, list[int]]:
    numbers = numpy.full(len(values), numpy.nan)
    bad = []
    for row, value in enumerate(values):
        if is_missing(value):
            continue
        try:
            number = float(value)
        except (ValueError, TypeError, OverflowError):
            number = numpy.inf
        if numpy.isinf(number):
            bad.append(row)
        else:
            numbers[row] = number
    return numbers, bad
