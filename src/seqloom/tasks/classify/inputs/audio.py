"""Recordings as input of a classifier: normalized log-mel features."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy
from torch import Tensor

from seqloom.data.audio.config import AudioConfig
from seqloom.data.audio.feature_cache import FeatureCache
from seqloom.data.audio.features import FeatureOptions
from seqloom.data.audio.normalizer import Normalizer
from seqloom.data.audio.recordings import first_sample_rate, recording_path
from seqloom.data.audio.spec_augment import SpecAugment
from seqloom.data.tables.records import Records
from seqloom.tasks.classify.inputs.files import NORMALIZER, read_normalizer, read_run_file

FEATURES = "features.json"


def new_feature_cache(data: Records, config: AudioConfig) -> FeatureCache:
    """An empty cache of features, at the sample rate of the settings or of the first recording."""
    return FeatureCache(config.feature_options(config.sample_rate_hz or first_sample_rate(data)))


def read_features(cache: FeatureCache, value: Any, where: str | None) -> numpy.ndarray:
    """The features (T, F) of a recording, cached where it is one of a data set.

    Raises:
        DataError: no path, or no usable recording there.
    """
    path = recording_path(value, where or "classify")
    return cache.extract(path) if where is None else cache.load(path, where)


@final
class AudioInput:
    """Recordings as normalized log-mel features.

    Args:
        cache: reads files.
        normalizer: of features.
        augmentation: SpecAugment for training; None: none.
    """

    kind: Literal["audio"] = "audio"

    def __init__(
        self, cache: FeatureCache, normalizer: Normalizer, augmentation: SpecAugment | None = None
    ) -> None:
        self.cache, self.normalizer, self.augmentation = cache, normalizer, augmentation
        self.options = cache.options

    @classmethod
    def fit(cls, features: Sequence[numpy.ndarray], config: AudioConfig, cache: FeatureCache) -> AudioInput:
        """Measure the features of the training rows."""
        return cls(cache, Normalizer.fit(features), config.augmentation())

    @classmethod
    def load(cls, folder: Path, config: AudioConfig) -> AudioInput:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing.
        """
        options = FeatureOptions(**json.loads(read_run_file(folder / FEATURES)))
        return cls(FeatureCache(options), read_normalizer(folder), config.augmentation())

    @property
    def size(self) -> int:
        """Features of a step."""
        return self.options.size

    def steps(self, value: Any, where: str | None) -> numpy.ndarray:
        """The normalized features (T, F) of a recording.

        Raises:
            DataError: no path, or no usable recording there.
        """
        return self.normalizer.apply(read_features(self.cache, value, where))

    def augment(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, T, F) of a training batch, masked by SpecAugment if that is on."""
        if self.augmentation is None:
            return features
        return self.augmentation.apply(features, lengths, self.options)

    def files(self) -> dict[str, str]:
        """The options of features, and their mean and deviation."""
        return {FEATURES: json.dumps(self.options._asdict()), NORMALIZER: self.normalizer.to_json()}

    def describe(self) -> str:
        """For example `40 features a step, of 8000 Hz`."""
        return f"{self.size} features a step, of {self.options.sample_rate_hz} Hz"
