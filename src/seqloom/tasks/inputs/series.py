"""Series of numbers as input, one or more at each step."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, final

import numpy
from torch import Tensor

from seqloom.data.audio.normalizer import Normalizer, Statistics
from seqloom.data.tables.records import EncodedExamples, Records
from seqloom.errors import DataError
from seqloom.tasks.inputs.base import Front, TargetReader, encode_rows, read_rows
from seqloom.tasks.inputs.files import NORMALIZER, read_normalizer
from seqloom.tasks.rows import EncodedRow

T = TypeVar("T")


@final
class SeriesInput:
    """Series of numbers, normalized.

    Args:
        normalizer: of each number of a step.
    """

    kind: ClassVar[str] = "series"
    column: ClassVar[str] = "values"
    nouns: ClassVar[str] = "series"
    example: ClassVar[str] = "table.jsonl"
    can_be_transcribed: ClassVar[bool] = False
    pipeline_tags: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __init__(self, normalizer: Normalizer) -> None:
        self.normalizer = normalizer

    @classmethod
    def recognizes(cls, data: Records) -> bool:
        """By the column `values`."""
        return cls.column in data.columns

    @classmethod
    def fit(cls, data: Records, config: Any, targets: TargetReader[T]) -> tuple[SeriesInput, Sequence[T]]:
        """Measure the training rows."""
        del config
        rows, values = read_rows(data, cls.column, read_series, targets)
        return cls.of(rows), values

    @classmethod
    def of(cls, rows: Sequence[numpy.ndarray]) -> SeriesInput:
        """Mean and deviation over all steps of the rows with the most frequent width."""
        size = Counter(series.shape[1] for series in rows).most_common(1)[0][0]
        steps = numpy.concatenate([series for series in rows if series.shape[1] == size])
        deviation = steps.std(0)
        deviation[deviation == 0] = 1.0  # a constant stays at its distance from the training value
        return cls(
            Normalizer(Statistics(*(part.astype(numpy.float32) for part in (steps.mean(0), deviation))))
        )

    @classmethod
    def load(cls, folder: Path, config: Any) -> SeriesInput:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: the file is missing or damaged.
        """
        del config
        return cls(read_normalizer(folder))

    @property
    def size(self) -> int:
        """Numbers of a step."""
        return len(self.normalizer.overall.mean)

    def read(self, value: Any, where: str, is_stored: bool = True) -> numpy.ndarray:
        """Numbers (T, F).

        Raises:
            DataError: no numbers, or not as many at a step as in training.
        """
        series = read_series(value, where)
        if series.shape[1] != self.size:
            expected = f"`values` must have {self.size} at each step, as in training"
            raise DataError(where, expected, got=series.shape[1])
        return series

    def normalize(self, steps: numpy.ndarray, speaker: str | None = None) -> numpy.ndarray:
        """Of mean 0 and deviation 1."""
        return self.normalizer.apply(steps)

    def encode_rows(
        self, data: Records, split: str, targets: TargetReader[numpy.ndarray]
    ) -> EncodedExamples[EncodedRow]:
        """The good rows of a split, normalized."""
        return encode_rows(self, data, split, targets)

    def augment(self, values: Tensor, lengths: Tensor, least: Tensor | int = 1) -> tuple[Tensor, Tensor]:
        """As they are."""
        return values, lengths

    def front(self, config: Any) -> Front:
        """None: the recurrent layers read numbers."""
        return Front(self.size)

    def vectors_of(self, steps: numpy.ndarray) -> numpy.ndarray:
        """The numbers."""
        return steps

    def vectors_name(self) -> str:
        """What a baseline of `vectors_of` reads."""
        return "mean, deviation"

    def files(self) -> dict[str, str]:
        """Mean and deviation of every number."""
        return {NORMALIZER: self.normalizer.to_json()}

    def describe(self) -> str:
        """For example `2 numbers a step`."""
        return f"{self.size} numbers a step"

    def summarize(self, value: Any, where: str) -> str:
        """The size and range of a series.

        >>> normalizer = Normalizer(Statistics(numpy.zeros(2), numpy.ones(2)))
        >>> SeriesInput(normalizer).summarize([[0.5, 2], [1, -1]], "data/train.jsonl, line 7")
        'train.jsonl, line 7: 2 x 2 numbers, -1 to 2'
        """
        series = read_series(value, where)
        size = " x ".join(f"{length:,}" for length in series.shape)
        return f"{Path(where).name}: {size} numbers, {series.min():.4g} to {series.max():.4g}"

    def name_steps(self, value: Any, count: int) -> list[str]:
        """The numbers of each."""
        return [" ".join(f"{number:.4g}" for number in step) for step in read_series(value, "series")[:count]]


def read_series(value: Any, where: str) -> numpy.ndarray:
    """A list of numbers, or of lists of as many numbers each, or either as text: (T, F) float64.

    Raises:
        DataError: something else, or numbers that are not finite in float32.

    >>> read_series("1, 2.5 4", "row").shape, read_series([[1, 2], [3, 4]], "row").shape
    ((3, 1), (2, 2))
    """
    numbers = value
    expected = "`values` must be a list of numbers, or of lists of as many numbers each"
    try:
        if isinstance(value, str):
            is_json = value.lstrip().startswith("[")
            numbers = json.loads(value) if is_json else value.replace(",", " ").split()
        series = numpy.array(numbers, dtype=numpy.float64)
    except (ValueError, TypeError, OverflowError):
        raise DataError(where, expected, got=f"{value!r:.60}") from None
    except RecursionError:
        raise DataError(where, expected, got="values that are nested too deeply") from None
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
