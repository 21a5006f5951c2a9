"""Reading clips: frames of any container, at a set rate by their timestamps.

Everything that FFmpeg reads, by way of PyAV.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from seqloom.data.video.anchor import MAX_LOST, MIN_CORRELATION, Anchor, Track, cut_at, find, follow
from seqloom.data.video.container import open_clip, rate_of, reason, size_text, unusable
from seqloom.data.video.crop import Crop, Motion, downsample, parse_crop
from seqloom.errors import DataError
from seqloom.optional import import_optional

MAX_PIXELS = 1 << 16
"""Of a frame, once it is cropped: a model of more has no time for it"""
MAX_NUMBERS = 1 << 30
"""Of all frames of a clip, a byte each: they are in memory together"""
MAX_MISSING = 0.1
"""Share of the frames that a container announces which may be missing: some are only for what is cut away"""
MAX_STRETCH = 10
"""A clip may take so many times as long as its frames usually do, and at least so many seconds"""
MIN_GAP = 1.75
"""Of the usual time between two frames: films that are shown at a higher rate alternate between 2 and 3"""


class ClipOptions(NamedTuple):
    """How a clip becomes frames.

    Fields:
        frames_per_second: frames are sampled at this rate.
        height: of a frame, cropped and downsampled.
        width: of a frame, likewise.
        crop: as `data.crop`.
        downsampling: so many pixels by so many become one.
        color: three channels; else one, grey.
        anchor: the part of the frame that the crop moves with; None: the crop stays.
    """

    frames_per_second: float
    height: int
    width: int
    crop: str | None = None
    downsampling: int = 1
    color: bool = False
    anchor: Anchor | None = None

    @property
    def channels(self) -> int:
        """Numbers of a pixel."""
        return 3 if self.color else 1


class ClipShape(NamedTuple):
    """What a container says of its frames."""

    height: int
    width: int
    frames_per_second: float


class Frame(NamedTuple):
    """A frame, turned as it is displayed.

    Fields:
        pixels: (H, W, C) uint8.
        seconds: when it is shown; None: its container does not say.
        is_damaged: whether the decoder had to guess some of it.
    """

    pixels: numpy.ndarray
    seconds: float | None
    is_damaged: bool


class Cut(NamedTuple):
    """The part of a clip's frames that is kept.

    Fields:
        crop: the part.
        moved: (T, 2) rows and columns by which it moves in each frame; None: it stays.
    """

    crop: Crop
    moved: numpy.ndarray | None = None

    def of(self, frame: numpy.ndarray, number: int) -> numpy.ndarray:
        """The part of frame (H, W, C) number `number`."""
        if self.moved is None:
            return self.crop.cut(frame)
        top, left = self.moved[number] + self.corner
        return numpy.rint(cut_at(frame, top, left, self.size)).astype(numpy.uint8)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.crop.height or 0, self.crop.width or 0

    @property
    def corner(self) -> numpy.ndarray:
        """(2,) its first row and column, before it moves."""
        return numpy.array([self.crop.top or 0, self.crop.left or 0])


class Clip(NamedTuple):
    """The frames of a clip, (T, H, W, C) uint8, and how they were converted."""

    frames: numpy.ndarray
    conversions: tuple[str, ...] = ()
    """For example `sampled from 30 to 25 frames a second`"""


def read_shape(path: Path, where: object = None) -> ClipShape:
    """The size of a clip's frames, as they are displayed, and their rate.

    Args:
        path: the file.
        where: what an error message begins with, for example `metadata.csv, line 3`; None: the file.

    Raises:
        DataError: there is no such file, or it is no clip.
        ConfigError: av is not installed.
    """
    with open_clip(path, where) as (container, stream):
        first = next(_decode(container, stream, False, path, where))
        height, width, _ = first.pixels.shape
        return ClipShape(height, width, rate_of(stream))


def read_clip(path: Path, options: ClipOptions, where: object = None) -> Clip:
    """Read the frames of a clip.

    A frame is shown from its timestamp on until the next. Where timestamps are missing or do not grow, frames
    are taken to follow one another at the rate that the container names. `conversions` reports that, and how
    many frames are damaged, missing, or repeated where timestamps jump. Transport and program streams and WMV
    do not say how long they are: that one is truncated cannot be known.

    Args:
        path: the file.
        options: rate, crop, colors.
        where: what an error message begins with, for example `metadata.csv, line 3`; None: the file.

    Returns:
        `Clip`.

    Raises:
        DataError: there is no such file, it is no clip, is truncated or too large, or has one frame, several
            sizes, or timestamps far apart.
        ConfigError: av is not installed.
    """
    cut, conversions = _find_cut(path, options, where)
    frames: list[numpy.ndarray] = []
    times: list[float | None] = []
    damaged = 0
    with open_clip(path, where) as (container, stream):
        rate = rate_of(stream)
        for frame in _decode(container, stream, options.color, path, where):
            frames.append(downsample(cut.of(frame.pixels, len(frames)), options.downsampling).copy())
            times.append(frame.seconds)
            damaged += frame.is_damaged
            _check_numbers(len(frames), options, path, where)
        _check_complete(container, stream, times, path, where)
        missing = max(stream.frames - len(frames), 0)
    if len(frames) < 2:
        raise unusable(where, path, "a clip of two frames or more", "one")
    if damaged:
        conversions.append(f"damaged: {damaged:,} of {len(frames):,} frames, which the decoder mended")
    if missing:
        conversions.append(f"missing: {missing:,} of {stream.frames:,} frames that the container announces")
    known = [seconds for seconds in times if seconds is not None]
    grows = len(known) == len(times) and all(numpy.diff(known) > 0)
    if not grows:
        known = [number / rate for number in range(len(frames))]
        conversions.append(f"timestamps do not grow: frames taken by their order, {rate:g} a second")
    count, repeated = _check_gaps(known, options.frames_per_second, path, where)
    _check_numbers(count, options, path, where)
    if repeated:
        conversions.append(f"timestamps jump: {repeated:,} of {count:,} frames repeat the one before")
    chosen = sample_frames(known, options.frames_per_second)
    if abs(rate - options.frames_per_second) > 0.01 * rate:
        conversions.append(f"sampled from {rate:g} to {options.frames_per_second:g} frames a second")
    if len(chosen) < 2:
        got = f"{len(frames)} frames of {known[-1] - known[0]:.3g} s"
        raise unusable(where, path, f"two frames at {options.frames_per_second:g} a second", got)
    return Clip(numpy.stack([frames[number] for number in chosen]), tuple(conversions))


def sample_frames(times: list[float], frames_per_second: float) -> list[int]:
    """Which frame is shown at each step of a regular rate, from the first frame's time to the last one's.

    Args:
        times: of the frames, in seconds, growing.
        frames_per_second: the rate.

    >>> sample_frames([0.0, 0.1, 0.2, 0.3], 5.0), sample_frames([1.0, 1.1, 1.4], 10.0)
    ([0, 2], [0, 1, 1, 1, 2])
    """
    seconds = numpy.array(times) - times[0]
    steps = numpy.arange(count_steps(times, frames_per_second)) / frames_per_second + _rounding(seconds)
    return (numpy.searchsorted(seconds, steps, side="right") - 1).tolist()


def count_steps(times: list[float], frames_per_second: float) -> int:
    """How many frames `sample_frames` gives."""
    tolerance = 1e-3  # of a step: a container rounds its timestamps
    return int((times[-1] - times[0]) * frames_per_second + tolerance) + 1


def _rounding(seconds: numpy.ndarray) -> float:
    """A tenth of the shortest time that a frame is shown: some containers keep milliseconds only."""
    return float(numpy.diff(seconds).min(initial=1.0)) / 10


def mean_frame(path: Path, where: object = None) -> numpy.ndarray:
    """The mean of the grey frames (H, W) of a clip; arguments and errors as of `read_clip`."""
    total, count = None, 0
    with open_clip(path, where) as (container, stream):
        for frame in _decode(container, stream, False, path, where):
            total = numpy.zeros(frame.pixels.shape[:2]) if total is None else total
            total += frame.pixels[:, :, 0]
            count += 1
    assert total is not None
    return total / count


def _find_cut(path: Path, options: ClipOptions, where: object) -> tuple[Cut, list[str]]:
    """The part of a clip's frames that is kept, and what is to be said of it."""
    crop = _find_crop(path, options, where)
    if options.anchor is None:
        return Cut(crop), []
    track, shape = _follow(path, options.anchor, where)
    cut, count = Cut(crop, track.moved), len(track.moved)
    conversions = []
    if track.lost:
        conversions.append(
            f"anchor: not found in {track.lost:,} of {count:,} frames, where it is interpolated"
        )
    places = track.moved + cut.corner
    beyond = numpy.maximum(-places, places + cut.size - shape)
    if (beyond > numpy.array(cut.size) / 2).any():
        got = f"one in which it moves by up to {numpy.abs(track.moved).max():.0f} pixels"
        raise unusable(where, path, "a clip in which the crop stays within the frame", got)
    outside = int((beyond > 1).any(1).sum())
    if outside:
        conversions.append(
            f"crop: partly beyond the frame in {outside:,} of {count:,} frames, which go on there"
        )
    return cut, conversions


def _follow(path: Path, anchor: Anchor, where: object) -> tuple[Track, tuple[int, int]]:
    """Where the anchor is in each frame of a clip, and the height and width of its frames."""
    mean, template = mean_frame(path, where), numpy.array(anchor.pixels)
    (H, W), (h, w) = mean.shape, template.shape
    if h > H or w > W:
        expected = f"frames that hold data.anchor, {size_text(h, w)}"
        raise unusable(where, path, expected, size_text(H, W))
    start = find(mean, template, (min(anchor.top, H - h), min(anchor.left, W - w)))
    expected = "a clip in which the part of data.anchor is found"
    if start.correlation < MIN_CORRELATION:
        raise unusable(where, path, expected, f"one with a correlation of {start.correlation:.2f} at best")
    with open_clip(path, where) as (container, stream):
        frames = _decode(container, stream, False, path, where)
        track = follow((frame.pixels[:, :, 0] for frame in frames), start, anchor)
    if track.lost > MAX_LOST * len(track.moved):
        got = f"one without it in {track.lost:,} of {len(track.moved):,} frames"
        raise unusable(where, path, expected, got)
    return track, (H, W)


def _find_crop(path: Path, options: ClipOptions, where: object) -> Crop:
    """The crop of a clip, by its first frame; one that is searched needs a pass over all of them."""
    crop, motion = None, Motion()
    with open_clip(path, where) as (container, stream):
        for frame in _decode(container, stream, False, path, where):
            if crop is None:
                height, width, _ = frame.pixels.shape
                crop = _check_size(height, width, options, path, where)
                if crop.top is not None:
                    return crop
            motion.add(frame.pixels)
    assert crop is not None
    return motion.find(crop)


def _check_size(height: int, width: int, options: ClipOptions, path: Path, where: object) -> Crop:
    """The crop of frames of a size, once it gives what a model reads."""
    crop = (parse_crop(options.crop) or Crop(0, 0, height, width)).of_frame(height, width)
    if not crop.fits(height, width):
        got = size_text(height, width)
        raise unusable(where, path, f"frames that hold data.crop={options.crop}", got)
    expected = options.height, options.width
    got = (crop.height or 0) // options.downsampling, (crop.width or 0) // options.downsampling
    if got != expected:
        raise unusable(where, path, f"frames of {size_text(*expected)}, as in training", size_text(*got))
    return crop


def _check_numbers(count: int, options: ClipOptions, path: Path, where: object) -> None:
    if count * options.height * options.width * options.channels > MAX_NUMBERS:
        got = f"{count:,} frames of {size_text(options.height, options.width)}, or more"
        hint = "Cut it into several, or set data.crop or data.downsampling"
        raise unusable(where, path, f"a clip of at most {MAX_NUMBERS:,} numbers", got, hint)


def _check_gaps(times: list[float], frames_per_second: float, path: Path, where: object) -> tuple[int, int]:
    """How many frames a clip has at a rate, and how many of them only fill gaps between timestamps."""
    durations = numpy.diff(times)
    usual = float(numpy.median(durations))
    count = count_steps(times, frames_per_second)
    if count > MAX_STRETCH * max(len(times) * usual, 1) * frames_per_second:
        got = f"{len(times):,} frames over {times[-1] - times[0]:,.0f} s"
        raise unusable(where, path, "timestamps without long gaps", got)
    gaps = durations[durations > MIN_GAP * usual]
    return count, round(float((gaps - usual).sum()) * frames_per_second)


def _decode(container: Any, stream: Any, color: bool, path: Path, where: object) -> Iterator[Frame]:
    """The frames, with their times."""
    av = import_optional("av", "video")
    size = None
    number = 0
    try:
        for frame in container.decode(stream):
            pixels = frame.to_ndarray(format="rgb24" if color else "gray")
            pixels = numpy.rot90(pixels if color else pixels[:, :, None], round(frame.rotation / 90))
            size = size or pixels.shape[:2]
            if pixels.shape[:2] != size:
                got = f"{size_text(*pixels.shape[:2])} at frame {number + 1}"
                raise unusable(where, path, f"frames of one size, {size_text(*size)}", got)
            number += 1
            yield Frame(pixels, frame.time, frame.is_corrupt)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        got = f"one that is damaged after {number:,} frames ({reason(error)})"
        raise unusable(where, path, "a complete clip", got) from None
    if not number:
        raise unusable(where, path, "a clip with frames", "none")


def _check_complete(
    container: Any, stream: Any, times: list[float | None], path: Path, where: object
) -> None:
    """Check that about as many frames came as the container says, or that they last as long."""
    av = import_optional("av", "video")
    count, announced, rate = len(times), stream.frames, rate_of(stream)
    if not announced and stream.duration and stream.time_base:
        announced = round(float(stream.duration * stream.time_base) * rate)
    if count < announced * (1 - MAX_MISSING) - 1:
        got = f"one truncated after {count:,} of {announced:,} frames"
        raise unusable(where, path, "a complete clip", got)
    seconds = 0.0 if announced else (container.duration or 0) / av.time_base
    end = (count - 1) / rate if times[-1] is None else times[-1]
    if end + 2 / rate < seconds * (1 - MAX_MISSING):
        got = f"one truncated after {end:.3g} of {seconds:.3g} s"
        raise unusable(where, path, "a complete clip", got)
