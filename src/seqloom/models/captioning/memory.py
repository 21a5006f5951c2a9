"""What every decoder of captions has in common: the encoded picture, the state, and the output of a step."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from seqloom.state import State

CaptionAttention: TypeAlias = Literal["soft", "adaptive", "none"]
END, UNKNOWN = 0, 1
"""The token before the first word and after the last one, and that of words without one of their own"""

WORD_RANGE = 0.1
"""Vectors of tokens, which are the output layer's too, begin between plus and minus this."""
WORD_RANGE_FROM_SCRATCH = 1.0
"""The same beside an image encoder that is trained too. Words that occur in the same places, such as those of
colors, are at first moved alike; what an encoder learns to tell them apart by comes back through the
differences of their vectors, so these must begin larger than what words learn in common."""


class DecoderState(NamedTuple):
    """The state of a decoder.

    Fields:
        layers: that of its layers.
        rows: (1, N) int64, the picture that each row is about, so that captions and beams share it.
    """

    layers: State
    rows: Tensor


class PictureMemory(NamedTuple):
    """Pictures as a decoder reads them.

    Fields:
        values: (B, K, A), what attention compares with a query and takes the mean of, for each place.
        summary: (B, E), the whole picture.
        start: the decoder's first state, a row a picture.
    """

    values: Tensor
    summary: Tensor
    start: DecoderState


class DecoderOutput(NamedTuple):
    """The decoder's output for some tokens.

    Fields:
        features: (N, T, E), the input of the output layer.
        weights: (N, T, K) of the places of a picture; None without attention. They sum to 1, or with a
            sentinel to what it leaves.
        state: after the last token of each row.
    """

    features: Tensor
    weights: Tensor | None
    state: DecoderState


def picture_rows(count: int, device: torch.device) -> Tensor:
    """The rows (1, B) of a first state: each picture its own."""
    return torch.arange(count, device=device).unsqueeze(0)
