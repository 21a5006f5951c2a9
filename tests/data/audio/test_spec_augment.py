"""SpecAugment: width and position of its masks, and that nothing else changes."""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.data.audio.features import FeatureOptions
from seqloom.data.audio.spec_augment import SpecAugment

B, T, STACKED, MELS = 400, 40, 3, 16
OPTIONS = FeatureOptions(num_mels=MELS, stacked_frames=STACKED)
NONE = SpecAugment(time_masks=0, frequency_masks=0)


def draw_mask(augment: SpecAugment, lengths: Tensor | None = None) -> Tensor:
    """The masked frames and mels: (B, frames, mels) bool."""
    lengths = torch.full((B,), T) if lengths is None else lengths
    masked = augment.apply(torch.ones(B, T, STACKED * MELS), lengths, OPTIONS)
    assert set(masked.unique().tolist()) <= {0.0, 1.0}
    return masked.view(B, T * STACKED, MELS) == 0


def run_lengths(mask: Tensor) -> list[int]:
    """The lengths of the masked intervals in one row."""
    text = "".join("x" if value else " " for value in mask.tolist())
    return [len(interval) for interval in text.split()]


def test_zero_masks_change_nothing() -> None:
    features = torch.randn(2, T, STACKED * MELS)
    assert torch.equal(NONE.apply(features, torch.tensor([T, 3]), OPTIONS), features)


def test_a_time_mask_covers_all_mels_of_consecutive_frames() -> None:
    mask = draw_mask(NONE._replace(time_masks=1, time_mask_frames=10, time_mask_share=1.0))
    assert torch.equal(mask, mask[:, :, :1].expand_as(mask))
    rows = [run_lengths(row) for row in mask[:, :, 0]]
    assert max(len(row) for row in rows) == 1
    widths = {row[0] if row else 0 for row in rows}
    assert widths == set(range(11))  # each has a probability of 1/11 in 400 draws
    starts = {row.int().argmax().item() for row in mask[:, :, 0] if row.any()}
    assert any(start % STACKED for start in starts)  # also within a step
    assert min(starts) < 5
    assert max(starts) > T * STACKED - 15


def test_a_frequency_mask_covers_the_same_mels_of_every_stacked_frame() -> None:
    mask = draw_mask(NONE._replace(frequency_masks=1, frequency_mask_mels=5))
    assert torch.equal(mask, mask[:, :1].expand_as(mask))
    assert {sum(run_lengths(row)) for row in mask[:, 0]} == set(range(6))
    assert mask[:, 0].any(0).all()


def test_several_masks_are_independent() -> None:
    mask = draw_mask(NONE._replace(time_masks=3, time_mask_frames=8, time_mask_share=1.0))
    counts = [len(run_lengths(row)) for row in mask[:, :, 0]]
    assert max(counts) == 3
    assert max(sum(run_lengths(row)) for row in mask[:, :, 0]) <= 24


def test_a_time_mask_covers_at_most_its_share_of_the_valid_frames() -> None:
    lengths = torch.full((B,), 10)
    mask = draw_mask(NONE._replace(time_masks=1, time_mask_frames=100, time_mask_share=0.2), lengths)[:, :, 0]
    assert max(sum(run_lengths(row)) for row in mask) == 10 * STACKED * 0.2
    assert not mask[:, 10 * STACKED :].any()
    assert mask[:, 10 * STACKED - 1].any()  # the last valid frame may be masked


def test_a_frame_in_overlapping_steps_is_masked_in_all_of_them() -> None:
    options = OPTIONS._replace(lookahead_frames=4)
    frame_index = torch.arange(T)[:, None] * STACKED + torch.arange(7)  # the frames of every step
    features = torch.ones(B, T, 7 * MELS)
    augment = SpecAugment(time_mask_frames=12, time_mask_share=1.0, frequency_mask_mels=4)
    mask = augment.apply(features, torch.full((B,), T), options).view(B, T, 7, MELS) == 0
    frames = torch.zeros(B, T * STACKED + 4, MELS, dtype=torch.bool)
    frames[:, frame_index] = mask
    assert torch.equal(frames[:, frame_index], mask)
    assert max(len(run_lengths(row.all(1))) for row in frames) == 2
    assert max(max(run_lengths(row.all(1)), default=0) for row in frames) > 12 - 2
    assert frames[:, -1].all(1).any()  # the last frame of all may be masked


def test_rows_have_independent_masks() -> None:
    mask = draw_mask(SpecAugment())
    assert len({tuple(row.flatten().tolist()) for row in mask}) > B // 2


def test_masks_depend_on_the_seed_only() -> None:
    features, lengths = torch.randn(4, T, STACKED * MELS), torch.tensor([T, 5, 20, 1])
    torch.manual_seed(3)
    first = SpecAugment().apply(features, lengths, OPTIONS)
    torch.manual_seed(3)
    assert torch.equal(SpecAugment().apply(features, lengths, OPTIONS), first)
    assert not torch.equal(SpecAugment().apply(features, lengths, OPTIONS), first)


def test_masked_features_have_no_gradient() -> None:
    features = torch.randn(2, T, STACKED * MELS, requires_grad=True)
    masked = SpecAugment(time_mask_frames=30).apply(features, torch.tensor([T, T]), OPTIONS)
    masked.sum().backward()
    assert features.grad is not None
    assert torch.equal(features.grad == 0, masked == 0)
    assert (masked == 0).any()
