"""What becomes of a picture before a network reads it, in training and in use alike: a value in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

import numpy
from pydantic import Field, model_validator

from seqloom.data.images.files import Picture, read_picture
from seqloom.optional import import_optional
from seqloom.settings import StrictConfig
from seqloom.stored import mistake

MAX_VALUE = 255
Side: TypeAlias = Annotated[int, Field(ge=1, le=1024)]
Level: TypeAlias = Annotated[float, Field(ge=-1000, le=1000)]


class Preprocessing(StrictConfig):
    """How a picture becomes numbers. A run stores it, as `model_dump_json` gives it.

    >>> preprocessing = Preprocessing(size=(28, 28), mean=(0.5,), deviation=(0.5,))
    >>> Preprocessing.model_validate_json(preprocessing.model_dump_json()) == preprocessing
    True
    """

    size: tuple[Side, Side] = (224, 224)
    """Height and width in pixels."""
    crop: Literal["center", "none"] = "center"
    """`center`: the largest part around the middle that has the proportions of `size`; `none`: all of it,
    stretched."""
    mean: tuple[Level, ...] = Field(default=(0.5, 0.5, 0.5), min_length=1, max_length=3)
    """Of each channel, between 0 and 1: three for red, green and blue, one for gray."""
    deviation: tuple[Annotated[float, Field(ge=1e-6, le=1000)], ...] = (0.5, 0.5, 0.5)
    """What each channel is divided by."""

    @model_validator(mode="after")
    def _check_channels(self) -> Self:
        if len(self.mean) not in (1, 3) or len(self.deviation) != len(self.mean):
            raise mistake("numbers that are not of one channel or of three")
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return (len(self.mean), *self.size)

    @property
    def pixel_key(self) -> str:
        """What pixels depend on, without what becomes of them later, as text."""
        return f"{self.shape} {self.crop}"

    def read(self, path: Path, where: object = None) -> tuple[numpy.ndarray, tuple[str, ...]]:
        """The pixels of a file, (C, H, W) uint8, and how they were converted.

        Raises:
            DataError: it cannot be used; see `read_picture`.
        """
        picture = read_picture(path, where, near=self.size)
        return self.resize(picture), picture.conversions

    def resize(self, picture: Picture) -> numpy.ndarray:
        """The pixels of a picture, cut and resized, (C, H, W) uint8.

        Resizing is bicubic, over all pixels that become one, as Pillow does it.
        """
        pil = import_optional("PIL.Image", "vision")
        image = picture.image.convert("L" if len(self.mean) == 1 else "RGB")
        height, width = self.size
        if image.size != (width, height):
            image = image.resize((width, height), pil.Resampling.BICUBIC, box=self._box(*image.size))
        pixels = numpy.asarray(image, dtype=numpy.uint8)
        return numpy.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))

    def normalize(self, pixels: numpy.ndarray) -> numpy.ndarray:
        """What a network reads, (..., C, H, W) float32, of pixels of 0 to 255."""
        mean, deviation = (
            numpy.array(part, dtype=numpy.float32)[:, None, None] for part in (self.mean, self.deviation)
        )
        return (pixels.astype(numpy.float32) / MAX_VALUE - mean) / deviation

    def describe(self) -> str:
        """For example `224 x 224 pixels in color`."""
        return f"{self.size[0]} x {self.size[1]} pixels in {'gray' if len(self.mean) == 1 else 'color'}"

    def _box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of a picture that is used: left, upper, right, lower."""
        if self.crop == "none":
            return (0, 0, width, height)
        rows, columns = self.size
        scale = min(width / columns, height / rows)
        left, upper = (width - columns * scale) / 2, (height - rows * scale) / 2
        return (left, upper, left + columns * scale, upper + rows * scale)
