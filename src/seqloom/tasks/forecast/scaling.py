"""Windows scaled: by what was seen up to a step, and back."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy

Scaling: TypeAlias = Literal["standard", "last", "mean", "none"]
SMALLEST_SHARE = 1e-4
"""Of the mean absolute value, below which no scale falls: a constant series has no deviation."""

OF_ZEROS = 1e-3
"""The scale of a series of zeros, which nothing else tells."""
SMALLEST_OF_SERIES = 0.1
"""Of the deviation of the whole series: what follows a calm stretch need not be calm."""


def window_scale(
    values: numpy.ndarray, kind: Scaling, sizes: numpy.ndarray | float = 0.0
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The shift and the scale of windows, so that (values - shift) / scale is of the order of 1.

    Args:
        values: (B, S) float64, NaN where nothing was observed.
        kind: `standard`, `last`, `mean` or `none`.
        sizes: (B,) the deviation of the whole series, of a tenth of which a scale is at least.

    Returns:
        shift (B,) and scale (B,), which is above 0.

    >>> window_scale(numpy.array([[1.0, 3.0, numpy.nan], [5.0, 5.0, 5.0]]), "standard")
    (array([2., 5.]), array([1.e+00, 5.e-04]))
    """
    seen = ~numpy.isnan(values)
    count = numpy.maximum(seen.sum(1), 1)
    numbers = numpy.where(seen, values, 0.0)
    largest = numpy.abs(numbers).max(1, initial=0.0)
    unit = numpy.where(largest > 0, largest, 1.0)[:, None]  # squares of 1e-200 or 1e200 are no numbers
    numbers = numbers / unit
    size = numpy.abs(numbers).sum(1) / count
    if kind == "none":
        return numpy.zeros(len(values)), numpy.ones(len(values))
    if kind == "mean":
        return numpy.zeros(len(values)), numpy.where(size > 0, size, OF_ZEROS) * unit[:, 0]
    mean = numbers.sum(1) / count
    deviation = numpy.sqrt((numpy.where(seen, numbers - mean[:, None], 0.0) ** 2).sum(1) / count)
    scale = numpy.maximum(deviation, SMALLEST_SHARE * size)
    scale = numpy.where(scale > 0, scale, OF_ZEROS) * unit[:, 0]
    scale = numpy.maximum(scale, SMALLEST_OF_SERIES * numpy.asarray(sizes))
    if kind == "last":
        last = seen.shape[1] - 1 - seen[:, ::-1].argmax(1)
        return numpy.where(seen.any(1), numbers[numpy.arange(len(values)), last], 0.0) * unit[:, 0], scale
    return mean * unit[:, 0], scale
