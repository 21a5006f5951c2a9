r"""What followed the longest passage of a roll that equals its last frames.

.. math::

    r_{t,d} &= (r_{t-1,d} + 1)\,[v_t = v_{t-d}] \\
    d_t &= \mathrm{argmax}_{1 \le d \le W}\; r_{t,d}, \quad c_t = v_{t+1-d_t}

r is how many of the last frames equal those d steps earlier; of equal ones the nearest counts. Tunes repeat
themselves in whole parts, which a recurrent state does not hold. It is the search of Ziv and Lempel (1977) as
an input of a model, and needs no bars, as the fixed distances of Magenta's lookback RNN do (Waite, 2016).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.layers.masking import Lengths

LEVELS = (1, 2, 4, 8, 16, 32)
"""Lengths of a passage from which what followed it is another input: the longer, the surer"""
WORD = 62
"""Keys that an int64 holds"""


class Heard(NamedTuple):
    """The past, as far as it is searched; dimension 1 is the batch.

    Fields:
        frames: (W, B, K), -1 before the beginning.
        runs: (1, B, W) int64, how many of the last frames equal those W, …, 1 steps earlier.
    """

    frames: Tensor
    runs: Tensor


def nothing_heard(size: int, batch_size: int, num_keys: int, like: Tensor) -> Heard:
    """The past of rolls that have yet to begin.

    Args:
        size: W, steps that are searched.
        batch_size: B.
        num_keys: K.
        like: of the type and on the device of frames.
    """
    frames = like.new_full((size, batch_size, num_keys), -1)
    return Heard(frames, torch.zeros(1, batch_size, size, dtype=torch.int64, device=like.device))


def look_back(frames: Tensor, heard: Heard, lengths: Lengths = None) -> tuple[Tensor, Tensor, Heard]:
    """What followed the longest passage that equals the last frames, for every step.

    Args:
        frames: (T, B, K) of 0 and 1.
        heard: the past before them.
        lengths: (B,) the valid steps of each row; None: all.

    Returns:
        Frames (T, B, K), 0 where no frame equals the last one; the lengths (T, B) of the passages, 0 there;
        the past after the last valid step.

    >>> frames = torch.tensor([1.0, 0, 0, 1, 0]).view(5, 1, 1)
    >>> followed, runs, _ = look_back(frames, nothing_heard(4, 1, 1, frames))
    >>> followed.flatten(), runs.flatten()  # 1 0 0 1 0: twice 1 0, and after the first there was 0
    (tensor([0., 0., 0., 0., 0.]), tensor([0, 0, 1, 1, 2]))
    """
    (size, B, K), T = heard.frames.shape, len(frames)
    past = torch.cat([heard.frames, frames])
    is_same = torch.ones(T, B, size, dtype=torch.bool, device=frames.device)
    for first in range(0, K, WORD):
        part = past[..., first : first + WORD].to(torch.int64)
        windows = (part << torch.arange(part.shape[-1], device=frames.device)).sum(-1).unfold(0, size + 1, 1)
        is_same &= windows[..., :-1] == windows[..., -1:]
    runs = [heard.runs[0]]
    for same in is_same.to(heard.runs.dtype).unbind():
        runs.append((runs[-1] + 1) * same)
    all_runs = torch.stack(runs)
    places = torch.arange(size, device=frames.device)
    best, place = (all_runs[1:] * size + places).max(-1)  # the nearest of equally long ones
    longest = torch.div(best, size, rounding_mode="floor")
    after = torch.arange(1, T + 1, device=frames.device).unsqueeze(1) + place
    followed = past.gather(0, after.unsqueeze(-1).expand(-1, -1, K)) * (longest > 0).unsqueeze(-1)
    return followed, longest, _heard(past, all_runs, size, lengths)


def lookback_inputs(followed: Tensor, longest: Tensor) -> Tensor:
    """Inputs (T, B, K, levels) of what `look_back` gives: 1 for on and -1 for off, at its level."""
    bounds = torch.tensor(LEVELS, device=longest.device)
    level = torch.bucketize(longest, bounds, right=True)
    is_level = level.unsqueeze(-1) == torch.arange(1, len(LEVELS) + 1, device=longest.device)
    return (2 * followed - 1).unsqueeze(-1) * is_level.unsqueeze(2)


def _heard(past: Tensor, runs: Tensor, size: int, lengths: Lengths) -> Heard:
    """The past after the valid steps of each row, of all that was ever heard."""
    if lengths is None:
        return Heard(past[-size:], runs[-1:])
    stops = torch.as_tensor(lengths, device=past.device).to(torch.int64)
    steps = (stops + torch.arange(size, device=past.device).unsqueeze(1)).unsqueeze(-1)
    frames = past.gather(0, steps.expand(-1, -1, past.shape[-1]))
    return Heard(frames, runs.gather(0, stops.view(1, -1, 1).expand(-1, -1, size)))
