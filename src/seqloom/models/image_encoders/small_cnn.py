"""A small convolutional network that is trained from scratch."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError
from seqloom.models.image_encoders.encoder import ImageFormat, flatten_map

WIDTHS = (16, 32, 64, 128, 256)
"""Channels of the blocks; each halves height and width"""
GROUP = 16
"""Channels that are normalized together, picture by picture (Wu and He, 2018, arXiv:1803.08494)"""
SMALLEST_MAP = 6
"""A block more would leave fewer places than half of this in a direction."""


@final
class SmallCNN(nn.Module):
    """Blocks of a 3 x 3 convolution, max-pooling by 2, group normalization and ReLU.

    Args:
        format: the pictures that it reads; it has as many blocks as leave a map of 3 places or more.

    Raises:
        ConfigError: pictures of no pixels.

    >>> digits = ImageFormat((28, 28), mean=(0.5,), deviation=(0.5,))
    >>> SmallCNN(digits)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 9, 128])
    """

    name = "small-cnn"

    def __init__(self, format: ImageFormat) -> None:
        super().__init__()
        height, width = format.size
        if min(height, width) < 1:
            raise ConfigError(self.name, "pictures must have at least one pixel", got=format.size)
        blocks, inputs = [], len(format.mean)
        for channels in WIDTHS:
            pools = min(height, width) >= SMALLEST_MAP
            blocks.append(_block(inputs, channels, pools))
            inputs = channels
            if not pools:
                break
            height, width = height // 2, width // 2
        # Weights stay contiguous, as in checkpoints: a fused optimizer pairs them with its state by memory.
        self.blocks = nn.Sequential(*blocks)
        self.format, self.num_channels, self.map_size = format, inputs, (height, width)

    def settings(self) -> dict[str, Any]:
        """Its name, and the pictures that it reads."""
        return {"name": self.name, "format": self.format._asdict()}

    def forward(self, images: Tensor) -> Tensor:
        """The map (B, K, C') of pictures (B, C, H, W)."""
        return flatten_map(self.blocks(images.contiguous(memory_format=torch.channels_last)))


def _block(inputs: int, channels: int, pools: bool) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, channels, 3, padding=1, bias=False)
    pooling = [nn.MaxPool2d(2)] if pools else []
    return nn.Sequential(convolution, *pooling, nn.GroupNorm(channels // GROUP, channels), nn.ReLU())
