"""Opening files of clips, by way of PyAV, and what is said of those that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqloom.errors import DataError
from seqloom.optional import import_optional

DEFAULT_RATE = 25.0
"""Frames a second where a container does not say"""
PLAYLISTS = {"concat", "dash", "hls", "image2", "imf", "rtsp", "sdp", "vobsub", "webm_dash_manifest"}
"""Formats that name other files, which a data set must not make a program read"""


@contextmanager
def open_clip(path: Path, where: object) -> Iterator[tuple[Any, Any]]:
    """A container and its first stream of frames.

    Args:
        path: the file.
        where: what an error message begins with, for example `metadata.csv, line 3`; None: the file.

    Raises:
        DataError: there is no such file, or it is no clip.
        ConfigError: av is not installed.
    """
    av = import_optional("av", "video")
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise unusable(where, path, "a video file", got, hint=f"Its path is {path}" if where else "")
    size = path.stat().st_size
    if not size:
        raise unusable(where, path, "a video file", "zero bytes")
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, ValueError, OSError) as error:
        got = f"{size:,} bytes that are no complete one ({reason(error)})"
        raise unusable(where, path, "a video file", got) from None
    with container:
        names = PLAYLISTS.intersection(container.format.name.split(","))
        if names:
            got = f"a list of other files ({', '.join(names)})"
            raise unusable(where, path, "a video file", got)
        if not len(container.streams):
            raise unusable(where, path, "a complete clip", f"{size:,} bytes without any stream")
        if not container.streams.video:
            raise unusable(where, path, "a clip with frames", "none")
        stream = container.streams.video[0]
        if not (stream.height and stream.width):
            raise unusable(where, path, "a clip with frames", "none")
        stream.thread_count = 1  # clips are many, and small
        yield container, stream


def rate_of(stream: Any) -> float:
    """Frames a second, as a container says."""
    return float(stream.average_rate or stream.guessed_rate or DEFAULT_RATE)


def size_text(height: int, width: int) -> str:
    """For example `48 x 32`."""
    return f"{width} x {height}"


def reason(error: Exception) -> str:
    """What FFmpeg or the system says, on one line."""
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200]


def unusable(where: object, path: Path, expected: str, got: str, hint: str = "") -> DataError:
    """The error of a clip that cannot be used."""
    name = path if where is None else f"{where}, {path.name}"
    return DataError(name, f"expected {expected}", got=got, hint=hint)
