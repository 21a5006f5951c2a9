"""What is varied of pictures in training: mirrored, and shifted by some pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class ImageAugmentation(NamedTuple):
    """How pictures are varied.

    Fields:
        mirrored: whether half of them are mirrored, left and right.
        shifted_pixels: most pixels by which one is shifted, up or down, left or right; edges are repeated.
    """

    mirrored: bool = False
    shifted_pixels: int = 0

    def apply(self, images: Tensor) -> Tensor:
        """Vary images (B, C, H, W), each by its own random numbers from torch's generator.

        >>> ImageAugmentation(mirrored=True, shifted_pixels=2).apply(torch.zeros(5, 3, 8, 9)).shape
        torch.Size([5, 3, 8, 9])
        """
        if not (self.mirrored or self.shifted_pixels):
            return images
        B, _, H, W = images.shape
        device = images.device
        rows = torch.arange(H, device=device).expand(B, H)
        columns = torch.arange(W, device=device).expand(B, W)
        if self.shifted_pixels:
            shifts = (
                torch.randint(2 * self.shifted_pixels + 1, (2, B, 1), device=device) - self.shifted_pixels
            )
            rows, columns = (rows + shifts[0]).clamp(0, H - 1), (columns + shifts[1]).clamp(0, W - 1)
        if self.mirrored:
            is_mirrored = torch.rand(B, 1, device=device) < 0.5
            columns = torch.where(is_mirrored, columns.flip(1), columns)
        picked = images[torch.arange(B, device=device)[:, None, None], :, rows[:, :, None], columns[:, None]]
        return picked.permute(0, 3, 1, 2)
