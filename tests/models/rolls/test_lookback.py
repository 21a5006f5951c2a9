"""What followed the longest passage that equals the last frames: by a loop, in chunks, with padding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seqloom.models.rolls.lookback import LEVELS, look_back, lookback_inputs, nothing_heard

KEYS = 70
"""More than one word of bits holds"""


def _frames(steps: int, rows: int) -> Tensor:
    """Frames of four chords that differ in one key each, so that passages repeat."""
    generator = torch.Generator().manual_seed(1)
    chords = torch.zeros(4, KEYS)
    chords[[1, 2, 3], [3, 64, 69]] = 1
    return chords[torch.randint(4, (steps, rows), generator=generator)]


def _slowly(frames: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """By the definition, for one row (T, K)."""
    followed, longest = torch.zeros_like(frames), torch.zeros(len(frames), dtype=torch.int64)
    for t in range(len(frames)):
        for d in range(1, min(size, t) + 1):
            run = 0
            while run < t - d + 1 and torch.equal(frames[t - run], frames[t - run - d]):
                run += 1
            if run > longest[t]:
                followed[t], longest[t] = frames[t + 1 - d], run
    return followed, longest


@pytest.mark.parametrize("size", [1, 5, 60])
def test_definition(size: int) -> None:
    frames = _frames(40, 3)
    followed, longest, _ = look_back(frames, nothing_heard(size, 3, KEYS, frames))
    for row in range(3):
        expected = _slowly(frames[:, row], size)
        assert torch.equal(followed[:, row], expected[0])
        assert torch.equal(longest[:, row], expected[1])
    assert longest.max() > 1


def test_chunks_and_padding() -> None:
    frames = _frames(30, 2)
    whole, runs, after = look_back(frames, nothing_heard(6, 2, KEYS, frames))
    heard, parts = nothing_heard(6, 2, KEYS, frames), []
    for start, stop in ((0, 1), (1, 4), (4, 17), (17, 30)):
        part, run, heard = look_back(frames[start:stop], heard)
        assert torch.equal(run, runs[start:stop])
        parts.append(part)
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(heard.frames, after.frames)
    assert torch.equal(heard.runs, after.runs)
    _, _, padded = look_back(frames, nothing_heard(6, 2, KEYS, frames), [30, 11])
    _, _, short = look_back(frames[:11, 1:], nothing_heard(6, 1, KEYS, frames))
    assert torch.equal(padded.frames[:, 1:], short.frames)
    assert torch.equal(padded.runs[:, 1:], short.runs)
    _, _, unread = look_back(frames, heard, [0, 0])
    assert torch.equal(unread.frames, heard.frames)
    assert torch.equal(unread.runs, heard.runs)


def test_inputs_say_on_and_off_at_the_level_of_the_length() -> None:
    followed = torch.tensor([1.0, 0.0]).view(1, 1, 2).expand(4, 1, 2)
    inputs = lookback_inputs(followed, torch.tensor([0, 1, 5, 1000]).view(4, 1))
    assert inputs.shape == (4, 1, 2, len(LEVELS))
    assert (inputs[0] == 0).all()
    for step, level in ((1, 0), (2, 2), (3, 5)):
        assert inputs[step, 0, :, level].tolist() == [1, -1]
        assert inputs[step].abs().sum() == 2
