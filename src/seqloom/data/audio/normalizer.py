"""Mean and variance normalization of features: over the whole training split, or per speaker (CMVN)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias, final

import numpy
from pydantic import Field, model_validator

from seqloom.errors import RunError
from seqloom.stored import Name, Number, StoredValue, mistake, parse_stored

_Numbers: TypeAlias = Annotated[list[Number], Field(min_length=1)]
MIN_STD = 0.1
"""A nearly constant feature, such as a mel band above a microphone's range, is not amplified to noise."""


class Statistics(NamedTuple):
    """Mean and standard deviation of every feature, (F,) float32 each."""

    mean: numpy.ndarray
    std: numpy.ndarray


@final
class Normalizer:
    """Shift and scale features to mean 0 and standard deviation 1.

    Args:
        overall: statistics over all steps.
        speakers: statistics of every speaker; empty: `overall` is used for all speakers.

    >>> normalizer = Normalizer.fit([numpy.array([[1.0], [3.0]]), numpy.array([[5.0]])])
    >>> normalizer.apply(numpy.array([[3.0]]))
    array([[0.]], dtype=float32)
    """

    def __init__(
        self, overall: Statistics, speakers: Mapping[str, Statistics] = MappingProxyType({})
    ) -> None:
        self.overall, self.speakers = overall, dict(speakers)

    @classmethod
    def fit(cls, rows: Iterable[numpy.ndarray], speakers: Iterable[str] | None = None) -> Normalizer:
        """Compute the statistics of features.

        Args:
            rows: features (T, F) of utterances.
            speakers: the speaker of each utterance; None: normalize all speakers alike.
        """
        rows = list(rows)
        if speakers is None:
            return cls(_compute_statistics(rows))
        return cls(_compute_statistics(rows), _compute_speakers(rows, speakers))

    @property
    def is_by_speaker(self) -> bool:
        """Whether every speaker has statistics of their own."""
        return bool(self.speakers)

    def with_speakers(self, rows: Iterable[numpy.ndarray], speakers: Iterable[str]) -> Normalizer:
        """A copy with statistics of new speakers from these utterances; known speakers keep theirs.

        Args:
            rows: features (T, F) of utterances.
            speakers: the speaker of each utterance.
        """
        return Normalizer(self.overall, {**_compute_speakers(rows, speakers), **self.speakers})

    def apply(self, row: numpy.ndarray, speaker: str | None = None) -> numpy.ndarray:
        """Normalize the features of an utterance.

        Where speakers are normalized separately, an utterance of an unknown speaker is normalized by its own
        statistics.

        Args:
            row: (T, F) features.
            speaker: whose utterance it is; None: unknown.

        Returns:
            (T, F) float32.
        """
        statistics = self.overall
        if self.speakers:
            statistics = self.speakers.get(speaker or "") or _compute_statistics([row])
        return ((row - statistics.mean) / statistics.std).astype(numpy.float32)

    def to_json(self) -> str:
        """All statistics as JSON, for `from_json`."""
        parts = {"overall": self.overall, "speakers": self.speakers}
        return json.dumps(parts, default=numpy.ndarray.tolist)

    @classmethod
    def from_json(cls, text: str, where: object = "normalizer", size: int | None = None) -> Normalizer:
        """Read back what `to_json` wrote.

        Args:
            text: JSON.
            where: the file, for an error.
            size: how many features there must be; None: any number.

        Raises:
            RunError: it is something else, or there are not as many features.
        """
        expected = "expected mean and deviation of features"
        stored = parse_stored(text, _StoredNormalizer, where, expected)
        if size not in (None, len(stored.overall[0])):
            raise RunError(where, f"{expected}, {size} of them", got=len(stored.overall[0]))
        speakers = {name: _parse_statistics(values) for name, values in stored.speakers.items()}
        return cls(_parse_statistics(stored.overall), speakers)


class _StoredNormalizer(StoredValue):
    """What `to_json` writes: means and deviations of as many features each."""

    overall: tuple[_Numbers, _Numbers]
    speakers: dict[Name | Literal[""], tuple[_Numbers, _Numbers]]

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = [self.overall, *self.speakers.values()]
        if {len(values) for part in parts for values in part} != {len(self.overall[0])}:
            raise mistake("numbers of features that differ")
        if not all(numpy.float32(deviation) > 0 for _, deviations in parts for deviation in deviations):
            raise mistake("a deviation that is not above 0")
        return self


def _parse_statistics(values: tuple[list[float], list[float]]) -> Statistics:
    mean, std = (numpy.array(part, dtype=numpy.float32) for part in values)
    return Statistics(mean, std)


def _compute_statistics(rows: Iterable[numpy.ndarray]) -> Statistics:
    """In float64: the sums over a split have more digits than float32 holds."""
    count, total, square = 0, 0.0, 0.0
    for row in rows:
        values = row.astype(numpy.float64)
        count, total, square = count + len(row), total + values.sum(0), square + (values**2).sum(0)
    mean = numpy.atleast_1d(total) / count
    std = numpy.sqrt(numpy.maximum(square / count - mean**2, 0.0))
    return Statistics(mean.astype(numpy.float32), numpy.maximum(std, MIN_STD).astype(numpy.float32))


def _compute_speakers(rows: Iterable[numpy.ndarray], speakers: Iterable[str]) -> dict[str, Statistics]:
    rows_by_speaker: dict[str, list[numpy.ndarray]] = {}
    for row, speaker in zip(rows, speakers, strict=True):
        rows_by_speaker.setdefault(speaker, []).append(row)
    return {speaker: _compute_statistics(own_rows) for speaker, own_rows in rows_by_speaker.items()}
