"""Reading clips: frames of any container, at a set rate by their timestamps.

Everything that FFmpeg reads, by way of PyAV.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from seqloom.data.video.crop import Crop, Motion, downsample, parse_crop
from seqloom.errors import DataError
from seqloom.optional import import_optional

DEFAULT_RATE = 25.0
"""Frames a second where a container does not say"""
MAX_PIXELS = 1 << 16
"""Of a frame, once it is cropped: a model of more has no time for it"""
MAX_MISSING = 0.1
"""Share of the frames that a container announces which may be missing: some are only for what is cut away"""


class ClipOptions(NamedTuple):
    """How a clip becomes frames.

    Fields:
        frames_per_second: frames are sampled at this rate.
        height: of a frame, cropped and downsampled.
        width: of a frame, likewise.
        crop: as `data.crop`.
        downsampling: so many pixels by so many become one.
        color: three channels; else one, grey.
    """

    frames_per_second: float
    height: int
    width: int
    crop: str | None = None
    downsampling: int = 1
    color: bool = False

    @property
    def channels(self) -> int:
        """Numbers of a pixel."""
        return 3 if self.color else 1


class ClipShape(NamedTuple):
    """What a container says of its frames."""

    height: int
    width: int
    frames_per_second: float


class Clip(NamedTuple):
    """The frames of a clip, (T, H, W, C) uint8, and how they were converted."""

    frames: numpy.ndarray
    conversions: tuple[str, ...] = ()
    """For example `sampled from 30 to 25 frames a second`"""


def read_shape(path: Path, where: object = None) -> ClipShape:
    """The size and the rate of a clip's frames.

    Args:
        path: the file.
        where: what an error message begins with, for example `metadata.csv, line 3`; None: the file.

    Raises:
        DataError: there is no such file, or it is no clip.
        ConfigError: av is not installed.
    """
    with _open(path, where) as (_, stream):
        return ClipShape(stream.height, stream.width, _rate(stream))


def read_clip(path: Path, options: ClipOptions, where: object = None) -> Clip:
    """Read the frames of a clip.

    A frame is shown from its timestamp on until the next. Where timestamps are missing or do not grow, frames
    are taken to follow one another at the rate that the container names; `conversions` reports that.

    Args:
        path: the file.
        options: rate, crop, colors.
        where: what an error message begins with, for example `metadata.csv, line 3`; None: the file.

    Returns:
        `Clip`.

    Raises:
        DataError: there is no such file, it is no clip, is truncated, or has one frame or several sizes.
        ConfigError: av is not installed.
    """
    whole = _find_crop(path, options, where)
    frames: list[numpy.ndarray] = []
    times: list[float | None] = []
    with _open(path, where) as (container, stream):
        rate = _rate(stream)
        for frame, seconds in _decode(container, stream, options.color, path, where):
            frames.append(downsample(whole.cut(frame), options.downsampling).copy())
            times.append(seconds)
        _check_complete(stream, len(frames), rate, path, where)
    if len(frames) < 2:
        raise _unusable(where, path, "a clip of two frames or more", "one")
    expected, got = (options.height, options.width), frames[0].shape[:2]
    if got != expected:
        raise _unusable(where, path, f"frames of {_size(*expected)}, as in training", _size(*got))
    known = [seconds for seconds in times if seconds is not None]
    grows = len(known) == len(times) and all(numpy.diff(known) > 0)
    conversions = []
    if not grows:
        known = [number / rate for number in range(len(frames))]
        conversions.append(f"timestamps do not grow: frames taken by their order, {rate:g} a second")
    chosen = sample_frames(known, options.frames_per_second)
    if abs(rate - options.frames_per_second) > 0.01 * rate:
        conversions.append(f"sampled from {rate:g} to {options.frames_per_second:g} frames a second")
    if len(chosen) < 2:
        got = f"{len(frames)} frames of {known[-1] - known[0]:.3g} s"
        raise _unusable(where, path, f"two frames at {options.frames_per_second:g} a second", got)
    return Clip(numpy.stack([frames[number] for number in chosen]), tuple(conversions))


def sample_frames(times: list[float], frames_per_second: float) -> list[int]:
    """Which frame is shown at each step of a regular rate, from the first frame's time to the last one's.

    Args:
        times: of the frames, in seconds, growing.
        frames_per_second: the rate.

    >>> sample_frames([0.0, 0.1, 0.2, 0.3], 5.0), sample_frames([1.0, 1.1, 1.4], 10.0)
    ([0, 2], [0, 1, 1, 1, 2])
    """
    tolerance = 1e-3 / frames_per_second  # a container rounds its timestamps
    seconds = numpy.array(times) - times[0]
    count = int((seconds[-1] + tolerance) * frames_per_second) + 1
    steps = numpy.arange(count) / frames_per_second + _rounding(seconds)
    return (numpy.searchsorted(seconds, steps, side="right") - 1).tolist()


def _rounding(seconds: numpy.ndarray) -> float:
    """A tenth of the shortest time that a frame is shown: some containers keep milliseconds only."""
    return float(numpy.diff(seconds).min(initial=1.0)) / 10


def _find_crop(path: Path, options: ClipOptions, where: object) -> Crop:
    """The crop of a clip; one that is searched needs a pass over its frames."""
    with _open(path, where) as (container, stream):
        H, W = stream.height, stream.width
        crop = parse_crop(options.crop)
        if crop is None:
            return Crop(0, 0, H, W)
        crop = crop.of_frame(H, W)
        if not crop.fits(H, W):
            raise _unusable(where, path, f"frames that hold data.crop={options.crop}", _size(H, W))
        if crop.top is not None:
            return crop
        motion = Motion()
        for frame, _ in _decode(container, stream, False, path, where):
            motion.add(frame)
    return motion.find(crop)


@contextmanager
def _open(path: Path, where: object) -> Iterator[tuple[Any, Any]]:
    """A container and its first stream of frames."""
    av = import_optional("av", "video")
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise _unusable(where, path, "a video file", got, hint=f"Its path is {path}" if where else "")
    size = path.stat().st_size
    if not size:
        raise _unusable(where, path, "a video file", "zero bytes")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, ValueError, OSError) as error:
        got = f"{size:,} bytes that are no complete one ({_reason(error)})"
        raise _unusable(where, path, "a video file", got) from None
    with container:
        if not len(container.streams):
            raise _unusable(where, path, "a complete clip", f"{size:,} bytes without any stream")
        if not container.streams.video:
            raise _unusable(where, path, "a clip with frames", "none")
        stream = container.streams.video[0]
        if not (stream.height and stream.width):
            raise _unusable(where, path, "a clip with frames", "none")
        stream.thread_count = 1  # clips are many, and small
        yield container, stream


def _decode(
    container: Any, stream: Any, color: bool, path: Path, where: object
) -> Iterator[tuple[numpy.ndarray, float | None]]:
    """The frames (H, W, C) uint8 with their times in seconds."""
    av = import_optional("av", "video")
    size = None
    number = 0
    try:
        for frame in container.decode(stream):
            size = size or (frame.height, frame.width)
            if (frame.height, frame.width) != size:
                got = f"{_size(frame.height, frame.width)} at frame {number + 1}"
                raise _unusable(where, path, f"frames of one size, {_size(*size)}", got)
            number += 1
            pixels = frame.to_ndarray(format="rgb24" if color else "gray")
            yield pixels if color else pixels[:, :, None], frame.time
    except (av.error.FFmpegError, ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        got = f"one that is damaged after {number:,} frames ({_reason(error)})"
        raise _unusable(where, path, "a complete clip", got) from None
    if not number:
        raise _unusable(where, path, "a clip with frames", "none")


def _check_complete(stream: Any, count: int, rate: float, path: Path, where: object) -> None:
    """Check that about as many frames came as the container says."""
    announced = stream.frames
    if not announced and stream.duration and stream.time_base:
        announced = round(float(stream.duration * stream.time_base) * rate)
    if count < announced * (1 - MAX_MISSING) - 1:
        got = f"one truncated after {count:,} of {announced:,} frames"
        raise _unusable(where, path, "a complete clip", got)


def _rate(stream: Any) -> float:
    return float(stream.average_rate or stream.guessed_rate or DEFAULT_RATE)


def _size(height: int, width: int) -> str:
    return f"{width} x {height}"


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200]


def _unusable(where: object, path: Path, expected: str, got: str, hint: str = "") -> DataError:
    name = path if where is None else f"{where}, {path.name}"
    return DataError(name, f"expected {expected}", got=got, hint=hint)
