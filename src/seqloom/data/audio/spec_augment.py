"""SpecAugment: masks time steps and mel bands of the features in training.

Park et al. 2019, arXiv:1904.08779, without time warping, which they found to matter least. Masked features
become 0, the mean of normalized features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.data.audio.features import FeatureOptions


class SpecAugment(NamedTuple):
    """Number and maximum width of the masks; each width is drawn uniformly from 0 to its maximum.

    Fields:
        time_masks: time masks per utterance.
        time_mask_frames: maximum frames of a time mask, T in the paper.
        time_mask_share: maximum share of the utterance that one time mask covers, p in the paper.
        frequency_masks: frequency masks per utterance.
        frequency_mask_mels: maximum mel bands of a frequency mask, F in the paper.
    """

    time_masks: int = 2
    time_mask_frames: int = 25
    time_mask_share: float = 0.2
    frequency_masks: int = 2
    frequency_mask_mels: int = 10

    def apply(self, features: Tensor, lengths: Tensor, options: FeatureOptions) -> Tensor:
        """Mask features, with random numbers from torch's generator.

        Args:
            features: (B, T, options.size), normalized.
            lengths: (B,) valid steps of each row.
            options: how frames are stacked into steps.

        Returns:
            (B, T, options.size), a new tensor.

        >>> options = FeatureOptions(num_mels=8, stacked_frames=3)
        >>> SpecAugment().apply(torch.ones(2, 50, 24), torch.tensor([50, 20]), options).shape
        torch.Size([2, 50, 24])
        """
        B, T, _ = features.shape
        # Masks are drawn over frames, not steps: a mask may begin within a step, and where steps overlap a
        # masked frame is masked in every step that contains it.
        starts = torch.arange(T, device=features.device)[:, None] * options.stacked_frames
        frames = starts + torch.arange(options.frames_per_step, device=features.device)
        num_frames = lengths.to(features.device).unsqueeze(1) * options.stacked_frames
        num_frames = num_frames + options.lookahead_frames
        max_width = (num_frames * self.time_mask_share).floor().clamp(max=self.time_mask_frames)
        size = T * options.stacked_frames + options.lookahead_frames
        time_mask = _draw_masks(self.time_masks, max_width, num_frames, size)
        num_mels = torch.full_like(num_frames, options.num_mels)
        max_width = num_mels.clamp(max=self.frequency_mask_mels)
        frequency_mask = _draw_masks(self.frequency_masks, max_width, num_mels, options.num_mels)
        mask = time_mask[:, frames].unsqueeze(3) | frequency_mask[:, None, None]
        return features.masked_fill(mask.view(B, T, options.size), 0.0)


def _draw_masks(count: int, max_width: Tensor, lengths: Tensor, size: int) -> Tensor:
    """(B, size) bool: the union of `count` intervals of 0 to `max_width` (B, 1), within `lengths` (B, 1)."""
    index = torch.arange(size, device=lengths.device)
    uniforms = torch.rand(2, len(lengths), count, device=lengths.device)
    widths = (uniforms[0] * (max_width + 1)).floor()
    starts = (uniforms[1] * (lengths - widths + 1)).floor()
    inside = (index >= starts.unsqueeze(2)) & (index < (starts + widths).unsqueeze(2))
    return inside.any(1)
