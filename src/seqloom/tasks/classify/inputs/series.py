"""Series of numbers as input of a classifier, one or more at each step."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy

from seqloom.data.audio.normalizer import Normalizer, Statistics
from seqloom.errors import DataError
from seqloom.tasks.classify.inputs.files import NORMALIZER, read_normalizer


@final
class SeriesInput:
    """Series of numbers, normalized.

    Args:
        normalizer: of each number of a step.
    """

    kind: Literal["series"] = "series"

    def __init__(self, normalizer: Normalizer) -> None:
        self.normalizer = normalizer

    @classmethod
    def fit(cls, rows: Sequence[numpy.ndarray]) -> SeriesInput:
        """Mean and deviation over all steps of the rows with the most frequent width."""
        size = Counter(series.shape[1] for series in rows).most_common(1)[0][0]
        steps = numpy.concatenate([series for series in rows if series.shape[1] == size])
        deviation = steps.std(0)
        deviation[deviation == 0] = 1.0  # a constant stays at its distance from the training value
        return cls(
            Normalizer(Statistics(*(part.astype(numpy.float32) for part in (steps.mean(0), deviation))))
        )

    @classmethod
    def load(cls, folder: Path) -> SeriesInput:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: the file is missing.
        """
        return cls(read_normalizer(folder))

    @property
    def size(self) -> int:
        """Numbers of a step."""
        return len(self.normalizer.overall.mean)

    def steps(self, value: Any, where: str | None) -> numpy.ndarray:
        """Normalized numbers (T, F).

        Raises:
            DataError: no numbers, or not as many at a step as in training.
        """
        series = read_series(value, where)
        if series.shape[1] != self.size:
            expected = f"`values` must have {self.size} at each step, as in training"
            raise DataError(where or "classify", expected, got=series.shape[1])
        return self.normalizer.apply(series)

    def files(self) -> dict[str, str]:
        """Mean and deviation of every number."""
        return {NORMALIZER: self.normalizer.to_json()}

    def describe(self) -> str:
        """For example `2 numbers a step`."""
        return f"{self.size} numbers a step"


def read_series(value: Any, where: str | None) -> numpy.ndarray:
    """A list of numbers, or of lists of as many numbers each, or either as text: (T, F) float64.

    Raises:
        DataError: something else, or numbers that are not finite in float32.

    >>> read_series("1, 2.5 4", None).shape, read_series([[1, 2], [3, 4]], None).shape
    ((3, 1), (2, 2))
    """
    where, numbers = where or "classify", value
    expected = "`values` must be a list of numbers, or of lists of as many numbers each"
    try:
        if isinstance(value, str):
            is_json = value.lstrip().startswith("[")
            numbers = json.loads(value) if is_json else value.replace(",", " ").split()
        series = numpy.array(numbers, dtype=numpy.float64)
    except (ValueError, TypeError):
        raise DataError(where, expected, got=f"{value!r:.60}") from None
    if series.ndim == 1:
        series = series[:, None]
    if series.ndim != 2 or not series.size:
        raise DataError(where, expected, got="nothing" if value is None else f"{value!r:.60}")
    is_finite = numpy.abs(series) <= numpy.finfo(numpy.float32).max  # False for nan too
    if not is_finite.all():
        step, feature = numpy.argwhere(~is_finite)[0]
        got = f"{series[step, feature]} at step {step + 1}"
        raise DataError(where, "`values` must be finite numbers", got=got)
    return series
