"""From stored pictures to what a classifier reads: normalized, and encoded."""

from __future__ import annotations

import copy
from typing import final

import torch
from torch import Tensor, nn

from seqloom.layers.masking import Lengths
from seqloom.models.image_encoders.encoder import ImageEncoder
from seqloom.models.image_encoders.small_cnn import SmallCNN

MAX_VALUE = 255


@final
class PixelFront(nn.Module):
    """Pixels from 0 to 255, normalized, and encoded by a network that is trained with the rest.

    Args:
        mean: of pixels between 0 and 1, of a shape that fits what is read.
        deviation: what they are divided by.
        encoder: from pictures (B, C, H, W) to a map (B, K, C'); None: what is read are steps (B, T, F).
    """

    def __init__(self, mean: Tensor, deviation: Tensor, encoder: SmallCNN | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, values: Tensor, lengths: Lengths = None) -> Tensor:
        """What is read of pixels, (B, K, C') or (B, T, F)."""
        del lengths
        normalized = (values.to(self.mean.dtype) / MAX_VALUE - self.mean) / self.deviation
        return normalized if self.encoder is None else self.encoder(normalized)


@final
class FeatureFront(nn.Module):
    """Features (B, K, C') that were computed before; the encoder that they are from is stored with the model.

    Args:
        encoder: pretrained and frozen. It is copied, so that the model may be moved and converted.
    """

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder)

    def forward(self, values: Tensor, lengths: Lengths = None) -> Tensor:
        """The features, in the encoder's type of numbers."""
        del lengths
        return values.to(next(self.encoder.parameters()).dtype)  # type: ignore[attr-defined]


def as_column(values: tuple[float, ...]) -> Tensor:
    """A number for each channel as (C, 1, 1).

    >>> as_column((0.5, 0.25)).shape
    torch.Size([2, 1, 1])
    """
    return torch.tensor(values, device="cpu")[:, None, None]
