"""Frames of clips in the cache: each clip is decoded once, and read when a batch needs it."""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any, final

import numpy

from seqloom.data.cache import cached_folder
from seqloom.data.video.files import ClipOptions, read_clip

log = logging.getLogger("seqloom")

FRAMES = "frames.npy"
VERSION = "3"
"""Changes when the same file and options would give other frames"""


@final
class StoredClip:
    """The frames of a clip, (T, H, W, C) uint8, in a file of the cache, where numpy reads them when asked.

    In memory it is some hundred bytes, however long the clip is.

    Args:
        cache: what made it, and makes it again where the cache was deleted.
        path: the clip.
        key: a hash of the clip's bytes and of how it was read.
        shape: (T, H, W, C).
    """

    dtype = numpy.dtype(numpy.uint8)

    def __init__(self, cache: ClipCache, path: Path, key: str, shape: tuple[int, ...]) -> None:
        self._cache, self._path, self._key, self.shape = cache, path, key, shape

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"StoredClip({self._key}, {self.shape})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> numpy.ndarray:
        """The frames, memory-mapped."""
        frames = self._cache.open(self._path, self._key)
        return numpy.array(frames, dtype=dtype, copy=copy)


@final
class ClipCache:
    """Clips as frames.

    Args:
        options: how clips become frames.
    """

    def __init__(self, options: ClipOptions) -> None:
        self.options = options
        self._clips: dict[Path, StoredClip] = {}
        self._warned: set[str] = set()

    def load(self, path: Path, where: object = None) -> StoredClip:
        """The frames of a clip of a data set, decoded unless they are in the cache.

        Args:
            path: the file.
            where: what an error message begins with: see `read_clip`.

        Raises:
            DataError: it is no usable clip.
            RunError: the cache cannot be written.
        """
        if path not in self._clips:
            key = self._key(path)
            frames = self.open(path, key, where)
            self._clips[path] = StoredClip(self, path, key, frames.shape)
        return self._clips[path]

    def extract(self, path: Path, where: object = None) -> numpy.ndarray:
        """The frames (T, H, W, C) of a file as it is now, not cached; arguments and errors as of `load`."""
        clip = read_clip(path, self.options, where)
        for conversion in clip.conversions:
            if conversion not in self._warned:
                self._warned.add(conversion)
                log.warning("%s (first in %s; not repeated for other files)", conversion, path.name)
        return clip.frames

    def open(self, path: Path, key: str, where: object = None) -> numpy.ndarray:
        """The frames of a clip, memory-mapped from the cache."""

        def write(folder: Path) -> None:
            numpy.save(folder / FRAMES, self.extract(path, where))

        return numpy.load(cached_folder("clips", key, write) / FRAMES, mmap_mode="r")

    def _key(self, path: Path) -> str:
        digest = b""
        if path.is_file():
            with suppress(OSError), path.open("rb") as file:  # the reader says what is wrong
                digest = hashlib.file_digest(file, "sha256").digest()
        options = f"{VERSION} {tuple(self.options)!r}".encode()
        return hashlib.sha256(digest + options).hexdigest()[:40]
