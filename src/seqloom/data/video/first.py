"""How clips of a data set become frames, as the first training clip that can be read decides."""

from __future__ import annotations

from seqloom.data.audio.recordings import recording_path
from seqloom.data.tables.records import Example, Records, encode_first
from seqloom.data.video.config import MAX_RATE, VideoConfig
from seqloom.data.video.crop import parse_crop
from seqloom.data.video.files import MAX_PIXELS, ClipOptions, ClipShape, read_shape
from seqloom.errors import ConfigError


def first_options(data: Records, config: VideoConfig) -> ClipOptions:
    """The rate and the size of frames.

    Args:
        data: the records.
        config: the settings; what they leave open is that of the first clip.

    Raises:
        DataError: no clip can be read; or, where `data.strict`, one cannot.
        ConfigError: frames are too large for a model, or smaller than the crop.
    """
    shape = _first_shape(data)
    crop = parse_crop(config.crop)
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
    return ClipOptions(rate, height, width, config.crop, config.downsampling, config.color)


def _first_shape(data: Records) -> ClipShape:
    def read(example: Example) -> ClipShape:
        path = recording_path(example.fields.get("file"), example.place, "clip")
        return read_shape(path, where=example.place)

    return encode_first(data, read)
