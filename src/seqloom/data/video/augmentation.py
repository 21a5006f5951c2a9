"""What is varied of clips in training: mirrored, shifted, with frames that are dropped or doubled.

As LipNet does (Assael et al., 2016, arXiv:1611.01599), and shifts beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class ClipAugmentation(NamedTuple):
    """How clips are varied.

    Fields:
        mirrored: whether half of them are mirrored, left and right.
        shifted_pixels: most pixels by which one is shifted, up or down, left or right; edges are repeated.
        jittered_frames: share of frames that are dropped, and of those that are doubled.
    """

    mirrored: bool = True
    shifted_pixels: int = 0
    jittered_frames: float = 0.0

    def apply(self, clips: Tensor, lengths: Tensor, least: Tensor | int = 1) -> tuple[Tensor, Tensor]:
        """Vary clips, each by its own random numbers from torch's generator.

        Args:
            clips: (B, T, H, W, C).
            lengths: (B,) valid frames of each row.
            least: the fewest frames that a row must keep, (B,) or one for all; a row that would have fewer
                keeps all of its frames.

        Returns:
            New clips (B, T', H, W, C) and lengths (B,).

        >>> clips, lengths = torch.zeros(2, 30, 8, 8, 1, dtype=torch.uint8), torch.tensor([30, 20])
        >>> varied, counts = ClipAugmentation(True, 1, 0.2).apply(clips, lengths)
        >>> varied.shape[1] == counts.max()
        tensor(True)
        """
        B, T, H, W, _ = clips.shape
        device = clips.device
        frames, counts = torch.arange(T, device=device).expand(B, T), lengths.to(device)
        if self.jittered_frames:
            frames, counts = _jitter(counts, T, self.jittered_frames, least)
        rows = torch.arange(H, device=device).expand(B, H)
        columns = torch.arange(W, device=device).expand(B, W)
        if self.shifted_pixels:
            span = 2 * self.shifted_pixels + 1
            shifts = torch.randint(span, (2, B, 1), device=device) - self.shifted_pixels
            rows, columns = (rows + shifts[0]).clamp(0, H - 1), (columns + shifts[1]).clamp(0, W - 1)
        if self.mirrored:
            is_mirrored = torch.rand(B, 1, device=device) < 0.5
            columns = torch.where(is_mirrored, columns.flip(1), columns)
        row = torch.arange(B, device=device)
        varied = clips[
            row[:, None, None, None],
            frames[:, :, None, None],
            rows[:, None, :, None],
            columns[:, None, None],
        ]
        return varied, counts.to(lengths.device)


def _jitter(lengths: Tensor, T: int, share: float, least: Tensor | int) -> tuple[Tensor, Tensor]:
    """Which frame (B, T') is where once some are dropped and some doubled, and how many (B,) there are."""
    B = len(lengths)
    uniforms = torch.rand(B, T, device=lengths.device)
    times = (uniforms >= share).long() + (uniforms >= 1 - share).long()
    valid = torch.arange(T, device=lengths.device) < lengths[:, None]
    times = torch.where(valid, times, 0)
    is_short = times.sum(1) < torch.as_tensor(least, device=lengths.device)
    times = torch.where(is_short[:, None], valid.long(), times)
    counts = times.sum(1)
    ends = times.cumsum(1)
    places = torch.arange(int(counts.max()), device=lengths.device).expand(B, -1).contiguous()
    return torch.searchsorted(ends, places, right=True).clamp(max=T - 1), counts
