"""SpecAugment: in training, stretches of time and bands of frequency are blotted out.

Park et al. 2019, arXiv:1904.08779, without the warping of time, which they found to matter least. What is
blotted out becomes 0, which is the mean of normalized features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.data.audio.features import FeatureOptions


class SpecAugment(NamedTuple):
    """How much is blotted out; every width is drawn from 0 to its limit.

    Fields:
        time_masks: stretches of each recording.
        time_mask_frames: the most frames of one, T in the paper.
        time_mask_share: and no more of one than this share of the recording, p in the paper.
        frequency_masks: bands of each recording.
        frequency_mask_mels: the most mels of one, F in the paper.
    """

    time_masks: int = 2
    time_mask_frames: int = 25
    time_mask_share: float = 0.2
    frequency_masks: int = 2
    frequency_mask_mels: int = 10

    def apply(self, features: Tensor, lengths: Tensor, options: FeatureOptions) -> Tensor:
        """Blot out, drawing from torch's generator.

        Args:
            features: (B, T, options.size), normalized.
            lengths: (B,) the real steps of each row.
            options: which frames and mels a step is made of.

        Returns:
            The same shape; a new tensor.

        >>> options = FeatureOptions(num_mels=8, stacked_frames=3)
        >>> SpecAugment().apply(torch.ones(2, 50, 24), torch.tensor([50, 20]), options).shape
        torch.Size([2, 50, 24])
        """
        B, T, _ = features.shape
        # Frames as they were before they were stacked: a mask may begin within a step, and where steps
        # overlap it covers a frame in each that sees it.
        starts = torch.arange(T, device=features.device)[:, None] * options.stacked_frames
        frames = starts + torch.arange(options.seen_frames, device=features.device)
        real = lengths.to(features.device).unsqueeze(1) * options.stacked_frames + options.lookahead_frames
        most = (real * self.time_mask_share).floor().clamp(max=self.time_mask_frames)
        in_time = _masks(self.time_masks, most, real, T * options.stacked_frames + options.lookahead_frames)
        mels = torch.full_like(real, options.num_mels)
        widest = mels.clamp(max=self.frequency_mask_mels)
        in_frequency = _masks(self.frequency_masks, widest, mels, options.num_mels)
        blotted = in_time[:, frames].unsqueeze(3) | in_frequency[:, None, None]
        return features.masked_fill(blotted.view(B, T, options.size), 0.0)


def _masks(count: int, most: Tensor, real: Tensor, size: int) -> Tensor:
    """(B, size) bool: `count` stretches of 0 to `most` (B, 1) places, each within the first `real` (B, 1)."""
    place = torch.arange(size, device=real.device)
    drawn = torch.rand(2, len(real), count, device=real.device)
    widths = (drawn[0] * (most + 1)).floor()
    starts = (drawn[1] * (real - widths + 1)).floor()
    inside = (place >= starts.unsqueeze(2)) & (place < (starts + widths).unsqueeze(2))
    return inside.any(1)
