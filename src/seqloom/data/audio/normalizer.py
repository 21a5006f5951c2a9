"""Features shifted and scaled to mean 0 and deviation 1: over all of the training split, or by speaker."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, final

import numpy

LEAST_DEVIATION = 0.1
"""A feature that hardly moves in training, as a band above what a microphone passed on, is not blown up."""


class Statistics(NamedTuple):
    """Mean and deviation of every feature, (F,) float32 each."""

    mean: numpy.ndarray
    deviation: numpy.ndarray


@final
class Normalizer:
    """Shift and scale steps of features.

    Args:
        overall: statistics of all steps.
        speakers: those of each speaker; empty: `overall` is for everybody.

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
        """Measure rows (T, F), of one speaker each; None: nobody is told apart."""
        rows = list(rows)
        if speakers is None:
            return cls(_statistics(rows))
        return cls(_statistics(rows), _by_speaker(rows, speakers))

    @property
    def is_by_speaker(self) -> bool:
        """Whether speakers are told apart."""
        return bool(self.speakers)

    def with_new(self, rows: Iterable[numpy.ndarray], speakers: Iterable[str]) -> Normalizer:
        """The same, and speakers that it does not know measured by these rows of theirs."""
        return Normalizer(self.overall, {**_by_speaker(rows, speakers), **self.speakers})

    def apply(self, row: numpy.ndarray, speaker: str | None = None) -> numpy.ndarray:
        """Steps (T, F) to steps of mean 0 and deviation 1, float32.

        Where speakers are told apart, a row of nobody known is measured by itself.
        """
        found = self.overall
        if self.speakers:
            found = self.speakers.get(speaker or "") or _statistics([row])
        return ((row - found.mean) / found.deviation).astype(numpy.float32)

    def to_json(self) -> str:
        """Every number of it."""
        parts = {"overall": self.overall, "speakers": self.speakers}
        return json.dumps(parts, default=numpy.ndarray.tolist)

    @classmethod
    def from_json(cls, text: str) -> Normalizer:
        """What `to_json` gave."""
        parts = json.loads(text)
        speakers = {name: _read(values) for name, values in parts["speakers"].items()}
        return cls(_read(parts["overall"]), speakers)


def _read(values: list[list[float]]) -> Statistics:
    mean, deviation = (numpy.array(part, dtype=numpy.float32) for part in values)
    return Statistics(mean, deviation)


def _statistics(rows: Iterable[numpy.ndarray]) -> Statistics:
    """In float64: a split has more steps than float32 can count exactly."""
    count, total, square = 0, 0.0, 0.0
    for row in rows:
        values = row.astype(numpy.float64)
        count, total, square = count + len(row), total + values.sum(0), square + (values**2).sum(0)
    mean = numpy.atleast_1d(total) / count
    deviation = numpy.sqrt(numpy.maximum(square / count - mean**2, 0.0))
    return Statistics(
        mean.astype(numpy.float32), numpy.maximum(deviation, LEAST_DEVIATION).astype(numpy.float32)
    )


def _by_speaker(rows: Iterable[numpy.ndarray], speakers: Iterable[str]) -> dict[str, Statistics]:
    heard: dict[str, list[numpy.ndarray]] = {}
    for row, speaker in zip(rows, speakers, strict=True):
        heard.setdefault(speaker, []).append(row)
    return {speaker: _statistics(own) for speaker, own in heard.items()}
