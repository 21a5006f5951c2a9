"""Recordings as input: normalized log-mel features."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar, final

import numpy
from pydantic import AliasChoices, Field
from torch import Tensor

from seqloom.data.audio.config import AudioConfig, Milliseconds
from seqloom.data.audio.feature_cache import FeatureCache
from seqloom.data.audio.features import MAX_FRAMES, FeatureOptions, check_options
from seqloom.data.audio.files import MAX_RATE_HZ
from seqloom.data.audio.normalizer import Normalizer
from seqloom.data.audio.recordings import first_sample_rate, recording_path
from seqloom.data.audio.spec_augment import SpecAugment
from seqloom.data.tables.records import EncodedExamples, Example, Records, encode_examples
from seqloom.errors import ConfigError, RunError
from seqloom.stored import StoredValue, parse_json, parse_stored, read_text
from seqloom.tasks.inputs.base import Front, TargetReader, encode_rows, read_rows
from seqloom.tasks.inputs.files import read_normalizer
from seqloom.tasks.rows import EncodedRow

T = TypeVar("T")

FEATURES = "features.json"


class _StoredOptions(StoredValue):
    """`FeatureOptions` in a run folder."""

    sample_rate_hz: Annotated[int, Field(ge=1, le=MAX_RATE_HZ)]
    num_mels: Annotated[int, Field(ge=1, le=256)]
    frame_length_ms: Milliseconds
    frame_shift_ms: Milliseconds
    stacked_frames: Annotated[int, Field(ge=1, le=MAX_FRAMES)]
    lookahead_frames: Annotated[int, Field(ge=0, le=MAX_FRAMES)] = 0


class _StoredFeatures(StoredValue):
    """What `files` writes."""

    options: _StoredOptions
    normalizer: Annotated[str, Field(validation_alias=AliasChoices("normalizer", "normaliser"))]
    """JSON; of format 1 by its other name"""


@final
class AudioInput:
    """Recordings as normalized log-mel features.

    Args:
        cache: reads files.
        normalizer: of features.
        augmentation: SpecAugment for training; None: none.
    """

    kind: ClassVar[str] = "audio"
    column: ClassVar[str] = "file"
    nouns: ClassVar[str] = "recordings"
    example: ClassVar[str] = "recording.wav"
    can_be_transcribed: ClassVar[bool] = True
    pipeline_tags: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"classify": "audio-classification", "transcribe": "automatic-speech-recognition"}
    )

    def __init__(
        self, cache: FeatureCache, normalizer: Normalizer, augmentation: SpecAugment | None = None
    ) -> None:
        self.cache, self.normalizer, self.augmentation = cache, normalizer, augmentation
        self.options = cache.options

    @classmethod
    def recognizes(cls, data: Records) -> bool:
        """Files, of which no other kind of input has said that it reads them."""
        return cls.column in data.columns

    @classmethod
    def fit(
        cls, data: Records, config: AudioConfig, targets: TargetReader[T]
    ) -> tuple[AudioInput, Sequence[T]]:
        """Measure the features of the training rows, at the sample rate of the settings or of the first."""
        rate = config.sample_rate_hz or first_sample_rate(data)
        cache = FeatureCache(config.feature_options(rate))
        features, values = read_rows(data, cls.column, partial(_read_features, cache), targets)
        return cls(cache, Normalizer.fit(features), config.augmentation()), values

    @classmethod
    def load(cls, folder: Path, config: AudioConfig) -> AudioInput:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        path, expected = folder / FEATURES, "expected features of a run"
        text = read_text(path, expected)
        content = parse_json(text, path, expected)
        if isinstance(content, dict) and "options" not in content:  # as classifiers had them before videos
            options, normalizer = parse_stored(text, _StoredOptions, path, expected), None
        else:
            stored = parse_stored(text, _StoredFeatures, path, expected)
            options, normalizer = stored.options, stored.normalizer
        options = FeatureOptions(**options.model_dump())
        try:
            check_options(options)
        except ConfigError as error:
            raise RunError(path, expected, got=str(error)) from None
        if normalizer is None:
            fitted = read_normalizer(folder, options.size)
        else:
            fitted = Normalizer.from_json(normalizer, path, options.size)
        return cls(FeatureCache(options), fitted, config.augmentation())

    def by_speaker(self, data: Records, targets: TargetReader[T]) -> AudioInput:
        """These recordings, of which those of each speaker of the training rows are normalized apart."""

        def read_row(row: Example) -> tuple[numpy.ndarray, str]:
            targets.read(row)
            return self.read(row.fields.get(self.column), row.place), row.text("speaker")

        steps, speakers = zip(*encode_examples(data, "train", read_row).items, strict=True)
        return AudioInput(self.cache, Normalizer.fit(steps, speakers), self.augmentation)

    def with_speakers(self, rows: Sequence[numpy.ndarray], speakers: Sequence[str]) -> AudioInput:
        """These recordings with new speakers, whose features are in `rows`."""
        return AudioInput(self.cache, self.normalizer.with_speakers(rows, speakers), self.augmentation)

    @property
    def size(self) -> int:
        """Features of a step."""
        return self.options.size

    def read(self, value: Any, where: str, is_stored: bool = True) -> numpy.ndarray:
        """The features (T, F) of a recording, cached where it is one of a data set.

        Raises:
            DataError: no path, or no usable recording there.
        """
        return _read_features(self.cache, value, where, is_stored)

    def normalize(self, steps: numpy.ndarray, speaker: str | None = None) -> numpy.ndarray:
        """Of mean 0 and deviation 1, over all recordings or those of a speaker."""
        return self.normalizer.apply(steps, speaker)

    def encode_rows(
        self, data: Records, split: str, targets: TargetReader[numpy.ndarray]
    ) -> EncodedExamples[EncodedRow]:
        """The good rows of a split, normalized."""
        return encode_rows(self, data, split, targets)

    def augment(self, values: Tensor, lengths: Tensor, least: Tensor | int = 1) -> tuple[Tensor, Tensor]:
        """Features (B, T, F) of a training batch, masked by SpecAugment if that is on."""
        if self.augmentation is not None:
            values = self.augmentation.apply(values, lengths, self.options)
        return values, lengths

    def front(self, config: Any) -> Front:
        """None: the recurrent layers read features."""
        return Front(self.size)

    def vectors_of(self, steps: numpy.ndarray) -> numpy.ndarray:
        """The features."""
        return steps

    def vectors_name(self) -> str:
        """What a baseline of `vectors_of` reads."""
        return "mean, deviation"

    def files(self) -> dict[str, str]:
        """The options of features, and their mean and deviation."""
        content = {"options": self.options._asdict(), "normalizer": self.normalizer.to_json()}
        return {FEATURES: json.dumps(content)}

    def describe(self) -> str:
        """For example `64 mels at 16000 Hz in steps of 30 ms`."""
        options = self.options
        step_ms = options.frame_shift_ms * options.stacked_frames
        return f"{options.num_mels} mels at {options.sample_rate_hz} Hz in steps of {step_ms:g} ms"

    def summarize(self, value: Any, where: str) -> str:
        """The name of a recording."""
        return value.name if isinstance(value, Path) else str(value)

    def name_steps(self, value: Any, count: int) -> list[str]:
        """The time at which each begins."""
        step_ms = self.options.frame_shift_ms * self.options.stacked_frames
        return [f"{number * step_ms / 1000:.2f} s" for number in range(count)]


def _read_features(cache: FeatureCache, value: Any, where: str, is_stored: bool = True) -> numpy.ndarray:
    path = recording_path(value, where)
    return cache.load(path, where) if is_stored else cache.extract(path)
