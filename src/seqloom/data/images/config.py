"""The settings of pictures, which every task that reads them has."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from seqloom.data.images.augmentation import ImageAugmentation
from seqloom.errors import ConfigError
from seqloom.settings import StrictConfig

ImageAs: TypeAlias = Literal["map", "rows", "pixels"]
WITH_WEIGHTS = "squeezenet1_1"
"""The encoder whose weights come from a file that is named"""
Pixels: TypeAlias = Annotated[int, Field(ge=4, le=1024)]


class ImageConfig(StrictConfig):
    """The `data.*` keys of pictures; a task may have defaults of its own."""

    image_as: ImageAs = "map"
    """How a picture is read: `map`, as a map of features of an encoder, which is pooled (one-to-one); or as a
    sequence for recurrent layers (many-to-one), by `rows` or by `pixels` from the upper left."""
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
    mirrored_images: bool = False
    """Whether half of the pictures are mirrored in training, left and right."""
    shifted_pixels: Annotated[int, Field(ge=0)] = 0
    """Most pixels by which a picture is shifted in training, up or down, left or right; or a clip, after
    downsampling."""

    def check(self) -> None:
        """Check that the keys go together.

        Raises:
            ConfigError: an encoder is named that nothing would be read by, or a key that it does not read.
        """
        fields = type(self).model_fields
        is_pretrained = self.encoder != fields["encoder"].default
        if self.image_as != "map" and is_pretrained:
            expected = f"has no use with data.image_as={self.image_as}, which reads pixels"
            raise ConfigError("data.encoder", expected, got=self.encoder)
        unused = ["encoder_weights"] if self.encoder != WITH_WEIGHTS else []
        unused += ["image_color", "mirrored_images", "shifted_pixels"] if is_pretrained else []
        for name in unused:
            if (value := getattr(self, name)) != fields[name].default:
                expected = f"has no use with data.encoder={self.encoder}"
                raise ConfigError(f"data.{name}", expected, got=value)

    def image_augmentation(self) -> ImageAugmentation | None:
        """What is varied in training; None: nothing."""
        if not (self.mirrored_images or self.shifted_pixels):
            return None
        return ImageAugmentation(self.mirrored_images, self.shifted_pixels)
