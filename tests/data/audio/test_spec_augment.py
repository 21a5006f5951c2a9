"""SpecAugment: how wide its masks are, where they lie, and that nothing else changes."""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.data.audio.features import FeatureOptions
from seqloom.data.audio.spec_augment import SpecAugment

B, T, STACKED, MELS = 400, 40, 3, 16
OPTIONS = FeatureOptions(num_mels=MELS, stacked_frames=STACKED)
NONE = SpecAugment(time_masks=0, frequency_masks=0)


def blotted(augment: SpecAugment, lengths: Tensor | None = None) -> Tensor:
    """Which frames and mels of ones became 0: (B, frames, mels)."""
    lengths = torch.full((B,), T) if lengths is None else lengths
    found = augment.apply(torch.ones(B, T, STACKED * MELS), lengths, OPTIONS)
    assert set(found.unique().tolist()) <= {0.0, 1.0}
    return found.view(B, T * STACKED, MELS) == 0


def runs(mask: Tensor) -> list[int]:
    """Lengths of the runs in one row of a mask."""
    text = "".join("x" if value else " " for value in mask.tolist())
    return [len(run) for run in text.split()]


def test_without_masks_nothing_changes() -> None:
    features = torch.randn(2, T, STACKED * MELS)
    assert torch.equal(NONE.apply(features, torch.tensor([T, 3]), OPTIONS), features)


def test_a_time_mask_covers_all_mels_of_a_run_of_frames() -> None:
    mask = blotted(NONE._replace(time_masks=1, time_mask_frames=10, time_mask_share=1.0))
    assert torch.equal(mask, mask[:, :, :1].expand_as(mask))
    found = [runs(row) for row in mask[:, :, 0]]
    assert max(len(row) for row in found) == 1
    widths = {row[0] if row else 0 for row in found}
    assert widths == set(range(11))  # each has a chance of 1/11 in 400 draws
    starts = {row.int().argmax().item() for row in mask[:, :, 0] if row.any()}
    assert any(start % STACKED for start in starts)  # it need not begin with a step
    assert min(starts) < 5
    assert max(starts) > T * STACKED - 15


def test_a_frequency_mask_covers_the_same_mels_of_every_stacked_frame() -> None:
    mask = blotted(NONE._replace(frequency_masks=1, frequency_mask_mels=5))
    assert torch.equal(mask, mask[:, :1].expand_as(mask))
    assert {sum(runs(row)) for row in mask[:, 0]} == set(range(6))
    assert mask[:, 0].any(0).all()


def test_several_masks_are_drawn_apart() -> None:
    mask = blotted(NONE._replace(time_masks=3, time_mask_frames=8, time_mask_share=1.0))
    counts = [len(runs(row)) for row in mask[:, :, 0]]
    assert max(counts) == 3
    assert max(sum(runs(row)) for row in mask[:, :, 0]) <= 24


def test_a_mask_is_no_more_than_a_share_of_the_recording_and_lies_within_it() -> None:
    lengths = torch.full((B,), 10)
    mask = blotted(NONE._replace(time_masks=1, time_mask_frames=100, time_mask_share=0.2), lengths)[:, :, 0]
    assert max(sum(runs(row)) for row in mask) == 10 * STACKED * 0.2
    assert not mask[:, 10 * STACKED :].any()
    assert mask[:, 10 * STACKED - 1].any()  # its last frame has its chance


def test_where_steps_overlap_a_frame_is_blotted_out_in_each_that_sees_it() -> None:
    options = OPTIONS._replace(lookahead_frames=4)
    numbers = torch.arange(T)[:, None] * STACKED + torch.arange(7)  # of the frames of each step
    features = torch.ones(B, T, 7 * MELS)
    augment = SpecAugment(time_mask_frames=12, time_mask_share=1.0, frequency_mask_mels=4)
    found = augment.apply(features, torch.full((B,), T), options).view(B, T, 7, MELS) == 0
    frames = torch.zeros(B, T * STACKED + 4, MELS, dtype=torch.bool)
    frames[:, numbers] = found
    assert torch.equal(frames[:, numbers], found)
    assert max(len(runs(row.all(1))) for row in frames) == 2
    assert max(max(runs(row.all(1)), default=0) for row in frames) > 12 - 2
    assert frames[:, -1].all(1).any()  # the last frame that anything sees has its chance


def test_rows_are_drawn_apart() -> None:
    mask = blotted(SpecAugment())
    assert len({tuple(row.flatten().tolist()) for row in mask}) > B // 2


def test_the_seed_decides() -> None:
    features, lengths = torch.randn(4, T, STACKED * MELS), torch.tensor([T, 5, 20, 1])
    torch.manual_seed(3)
    first = SpecAugment().apply(features, lengths, OPTIONS)
    torch.manual_seed(3)
    assert torch.equal(SpecAugment().apply(features, lengths, OPTIONS), first)
    assert not torch.equal(SpecAugment().apply(features, lengths, OPTIONS), first)


def test_no_gradient_passes_where_it_is_blotted_out() -> None:
    features = torch.randn(2, T, STACKED * MELS, requires_grad=True)
    found = SpecAugment(time_mask_frames=30).apply(features, torch.tensor([T, T]), OPTIONS)
    found.sum().backward()
    assert features.grad is not None
    assert torch.equal(features.grad == 0, found == 0)
    assert (found == 0).any()
