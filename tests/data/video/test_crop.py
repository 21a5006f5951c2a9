"""Settings of crops, and what is varied of clips in training."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from seqloom.data.video.augmentation import ClipAugmentation
from seqloom.data.video.config import VideoConfig
from seqloom.data.video.crop import EXPECTED

LENGTHS = torch.tensor([40, 25])


def numbered(columns: int = 4) -> torch.Tensor:
    """Clips (2, 40, 3, columns, 1) of which each pixel is 10 times its frame and its column."""
    frames, places = torch.arange(40)[:, None, None, None], torch.arange(columns)[:, None]
    return (10 * frames + places).expand(2, 40, 3, columns, 1).contiguous()


@pytest.mark.parametrize("text", ["mouth", "1,2,3", "1,2,0,4", "auto,5", "auto,0,3", "-1,2,3,4", "1.5,2,3,4"])
def test_a_crop_is_four_numbers_or_auto(text: str) -> None:
    with pytest.raises(ValidationError, match=EXPECTED):
        VideoConfig(crop=text)


def test_left_and_right_differ_unless_it_is_said() -> None:
    assert not VideoConfig().clip_augmentation().mirrored


def test_no_more_than_half_of_the_frames_are_dropped() -> None:
    """Above, fewer than that would be: what is doubled is no longer what is not dropped."""
    assert VideoConfig(jittered_frames=0.5).jittered_frames == 0.5
    with pytest.raises(ValidationError, match=r"jittered_frames"):
        VideoConfig(jittered_frames=0.6)


def test_half_of_the_clips_are_mirrored() -> None:
    torch.manual_seed(0)
    clips = numbered()[:1].expand(64, -1, -1, -1, -1)
    varied, lengths = ClipAugmentation().apply(clips, torch.full((64,), 40))
    mirrored = (varied == clips.flip(3)).all((1, 2, 3, 4))
    assert (mirrored | (varied == clips).all((1, 2, 3, 4))).all()
    assert 16 < mirrored.sum() < 48
    assert lengths.tolist() == [40] * 64


def test_shifts_repeat_the_edge() -> None:
    torch.manual_seed(0)
    clips = numbered(9)
    varied, _ = ClipAugmentation(False, 2).apply(clips, LENGTHS)
    columns = varied[:, 0, 0, :, 0]
    assert all(row.tolist() == [min(max(n + row[4].item() - 4, 0), 8) for n in range(9)] for row in columns)
    assert varied.shape == clips.shape


def test_frames_are_dropped_and_doubled_in_order() -> None:
    torch.manual_seed(0)
    varied, lengths = ClipAugmentation(False, 0, 0.2).apply(numbered(), LENGTHS)
    assert varied.shape[1] == lengths.max()
    for row, length, before in zip(varied, lengths.tolist(), LENGTHS.tolist(), strict=True):
        frames = (row[:length, 0, 0, 0] // 10).tolist()
        assert frames == sorted(frames)
        assert set(frames) < set(range(before))
        assert len(frames) > len(set(frames))
    kept, lengths = ClipAugmentation(False, 0, 0.9).apply(numbered(), LENGTHS, torch.tensor([40, 25]))
    assert (lengths >= LENGTHS).all()
    assert torch.equal(kept[0, :40], numbered()[0]) or lengths[0] > 40


def test_the_same_random_state_varies_alike() -> None:
    augmentation = ClipAugmentation(True, 1, 0.1)
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(augmentation.apply(numbered(), LENGTHS))
    torch.testing.assert_close(*results)
