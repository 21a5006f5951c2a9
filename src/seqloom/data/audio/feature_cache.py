"""Files of sound to steps of features: each file is read once, and what was done to it is said once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import final

import numpy

from seqloom.data.audio.features import FeatureOptions, log_mel
from seqloom.data.audio.files import read_audio
from seqloom.errors import DataError

log = logging.getLogger("seqloom")
"""Python's own way for a library to speak up: without a handler a warning goes to standard error."""


@final
class FeatureCache:
    """The features of files, not normalized. They are kept in memory: an hour has 92 MB (64 bands, 10 ms).

    Args:
        options: how samples become features.
    """

    def __init__(self, options: FeatureOptions) -> None:
        self.options = options
        self._kept: dict[Path, numpy.ndarray] = {}
        self._said: set[str] = set()

    def steps(self, path: Path, where: object = None) -> numpy.ndarray:
        """The steps (T, F) of a file of a data set, which is read the first time only.

        Args:
            path: the file.
            where: who speaks in an error: see `read_audio`.

        Raises:
            DataError: it is not audio, is cut short, silent, or too short for a step.
        """
        if path not in self._kept:
            self._kept[path] = self.read(path, where)
        return self._kept[path]

    def read(self, path: Path, where: object = None) -> numpy.ndarray:
        """The same, read now whether it was read before or not."""
        audio = read_audio(path, self.options.sample_rate_hz, where)
        for note in audio.notes:
            self.say_once(note, f"{note} (said once, at {path.name})")
        steps = log_mel(audio.samples, self.options)
        if not len(steps):
            raise DataError(
                path if where is None else f"{where}, {path.name}",
                f"expected at least {self.options.shortest_ms:g} ms of sound",
                got=f"{1000 * len(audio.samples) / audio.sample_rate_hz:.1f} ms",
            )
        return steps

    def say_once(self, key: str, message: str) -> None:
        """Log `message` as a warning, unless one of the same `key` was."""
        if key not in self._said:
            self._said.add(key)
            log.warning("%s", message)
