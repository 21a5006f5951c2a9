"""The settings of pictures, which every task that reads them has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seqloom.settings import StrictConfig

Pixels = Annotated[int, Field(ge=4, le=1024)]


class ImageConfig(StrictConfig):
    """The `data.*` keys of pictures; a task may have defaults of its own."""

    encoder: str = "small-cnn"
    """What turns a picture into a map of features: `small-cnn`, trained from scratch; or, pretrained and
    frozen, `efficientnet-lite0`, `squeezenet1_1`, or a ResNet of transformers, by its name on the hub or its
    folder."""
    encoder_weights: str | None = None
    """The safetensors file with the weights of `squeezenet1_1`."""
    image_size: Pixels | None = None
    """Height and width in pixels that pictures are resized to. None: those that a pretrained encoder was
    trained with; else those of the first training picture, at most 64."""
    image_color: bool | None = None
    """Whether pictures are read in color, else in gray. None: as a pretrained encoder reads them; else as the
    first training picture is."""
    image_crop: Literal["center", "none"] = "center"
    """What is used of a picture: `center`, the largest part around the middle with the proportions that are
    read; `none`, all of it, stretched."""
