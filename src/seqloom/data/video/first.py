"""How clips of a data set become frames, as the first training clip that can be read decides."""

from __future__ import annotations

from contextlib import suppress

import numpy

from seqloom.data.audio.recordings import recording_path
from seqloom.data.tables.records import Example, Records, encode_first
from seqloom.data.video.anchor import Anchor, fit_anchor
from seqloom.data.video.config import MAX_RATE, VideoConfig
from seqloom.data.video.crop import parse_crop
from seqloom.data.video.files import MAX_PIXELS, ClipOptions, ClipShape, mean_frame, read_shape
from seqloom.errors import ConfigError, DataError
from seqloom.progress import phase

MAX_FITTED = 50
"""Clips that the look of the anchor is taken from, at most"""


def first_options(data: Records, config: VideoConfig) -> ClipOptions:
    """The rate and the size of frames, and the anchor that their crop moves with.

    Args:
        data: the records.
        config: the settings; what they leave open is that of the first clip.

    Raises:
        DataError: no clip can be read; or, where `data.strict`, one cannot.
        ConfigError: frames are too large for a model, or smaller than the crop; or the anchor is none.
    """
    shape = _first_shape(data)
    crop = parse_crop(config.crop)
    if config.anchor and (crop is None or crop.top is None):
        raise ConfigError("data.anchor", "needs data.crop=top,left,height,width, which moves with it")
    height, width = shape.height, shape.width
    if crop is not None:
        crop = crop.of_frame(height, width)
        if not crop.fits(height, width):
            got = f"{config.crop}, and frames of {width} x {height}"
            below = "" if crop.top is not None else " below its middle"
            raise ConfigError("data.crop", f"must be within a frame{below}", got=got)
        height, width = crop.height or height, crop.width or width
    height, width = height // config.downsampling, width // config.downsampling
    if not 0 < height * width <= MAX_PIXELS:
        expected = f"must leave a frame of 1 to {MAX_PIXELS:,} pixels"
        hint = "" if not height * width else "Set data.crop or data.downsampling"
        raise ConfigError("data.downsampling", expected, got=f"{width} x {height}", hint=hint)
    rate = config.frames_per_second or min(shape.frames_per_second, MAX_RATE)
    anchor = _fit_anchor(data, config.anchor, shape) if config.anchor else None
    return ClipOptions(rate, height, width, config.crop, config.downsampling, config.color, anchor)


def _fit_anchor(data: Records, text: str, shape: ClipShape) -> Anchor:
    """The anchor, of the first training clips that can be read; what is wrong with others is said later."""
    part, size = parse_crop(text), (shape.height, shape.width)
    assert part is not None
    if not part.fits(*size):
        got = f"{text}, and frames of {shape.width} x {shape.height}"
        raise ConfigError("data.anchor", "must be within a frame", got=got)
    frames: list[numpy.ndarray] = []
    with phase("finding the anchor", total=MAX_FITTED) as finding:
        for example in data.examples("train"):
            with suppress(DataError):
                path = recording_path(example.fields.get("file"), example.place, "clip")
                frame = mean_frame(path, example.place)
                if frame.shape == size:
                    frames.append(frame.astype(numpy.uint8))
                    finding.advance()
            if len(frames) == MAX_FITTED:
                break
    if not frames:
        raise DataError(data.path, "expected a training clip that can be read as a whole", got="none")
    return fit_anchor(frames, part)


def _first_shape(data: Records) -> ClipShape:
    def read(example: Example) -> ClipShape:
        path = recording_path(example.fields.get("file"), example.place, "clip")
        return read_shape(path, where=example.place)

    return encode_first(data, read)
