"""Features of audio files: each file is read once, and each kind of conversion is reported once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import final

import numpy

from seqloom.data.audio.features import FeatureOptions, log_mel
from seqloom.data.audio.files import read_audio
from seqloom.errors import DataError

log = logging.getLogger("seqloom")
"""The library's logger: without a handler, Python prints its warnings to standard error."""


@final
class FeatureCache:
    """Features of audio files, before normalization. Memory: 92 MB for an hour (64 mel bands, 10 ms).

    Args:
        options: how samples become features.
    """

    def __init__(self, options: FeatureOptions) -> None:
        self.options = options
        self._cache: dict[Path, numpy.ndarray] = {}
        self._warned: set[str] = set()

    def load(self, path: Path, where: object = None) -> numpy.ndarray:
        """The features of a file in a data set, computed at the first call and cached.

        Args:
            path: the file.
            where: what an error message begins with: see `read_audio`.

        Returns:
            (T, F) float32, T steps of F features.

        Raises:
            DataError: it is not audio, is truncated or silent, or is too short for one step.
        """
        if path not in self._cache:
            self._cache[path] = self.extract(path, where)
        return self._cache[path]

    def extract(self, path: Path, where: object = None) -> numpy.ndarray:
        """The features of a file as it is now, not cached. Arguments and errors are those of `load`."""
        audio = read_audio(path, self.options.sample_rate_hz, where)
        for conversion in audio.conversions:
            self.warn_once(conversion, f"{conversion} (first in {path.name}; not repeated for other files)")
        steps = log_mel(audio.samples, self.options)
        if not len(steps):
            raise DataError(
                path if where is None else f"{where}, {path.name}",
                f"expected at least {self.options.min_duration_ms:g} ms of audio",
                got=f"{1000 * len(audio.samples) / audio.sample_rate_hz:.1f} ms",
            )
        return steps

    def warn_once(self, key: str, message: str) -> None:
        """Log `message` as a warning, unless a message with the same `key` was logged before."""
        if key not in self._warned:
            self._warned.add(key)
            log.warning("%s", message)
