"""What every image encoder is: pictures in, a map of features out."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Of red, green and blue between 0 and 1, over the pictures of ImageNet"""


class ImageFormat(NamedTuple):
    """The pictures that an encoder reads: channels between 0 and 1, less their mean, over their deviation.

    Fields:
        size: height and width in pixels.
        mean: of each channel; three for red, green and blue, one for gray.
        deviation: what each channel is divided by.
    """

    size: tuple[int, int] = (224, 224)
    mean: tuple[float, ...] = IMAGENET_MEAN
    deviation: tuple[float, ...] = IMAGENET_DEVIATION


class ImageEncoder(Protocol):
    """A module from pictures to maps of features.

    `state_dict` and `settings` are all that is needed to build it again: see `build_encoder`.
    """

    name: str
    """By which `load_encoder` knows it"""
    format: ImageFormat
    """The pictures that it reads"""
    num_channels: int
    """C', features of each place of the map"""
    map_size: tuple[int, int]
    """Height and width of the map; K, its number of places, is their product"""

    def settings(self) -> dict[str, Any]:
        """What `build_encoder` needs, as JSON values; `name` among them."""
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """The map (B, K, C') of pictures (B, C, H, W), row by row from the upper left."""
        ...


def flatten_map(features: Tensor) -> Tensor:
    """(B, C', h, w) as (B, K, C'), K = h w places, row by row from the upper left.

    >>> import torch
    >>> flatten_map(torch.zeros(2, 1280, 7, 7)).shape
    torch.Size([2, 49, 1280])
    """
    return features.flatten(2).transpose(1, 2)
