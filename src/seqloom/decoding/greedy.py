"""Greedy decoding: the most probable token."""

from __future__ import annotations

import torch
from torch import Tensor


def argmax_token(logits: Tensor) -> Tensor:
    """The most probable token of every row; of equal logits, the lowest token id.

    Args:
        logits: (B, V).

    Returns:
        (B,) int64; V in rows without a valid token, whose greatest logit is not finite.

    >>> argmax_token(torch.tensor([[0.0, 2.0, 1.0], [float("-inf")] * 3]))
    tensor([1, 3])
    """
    greatest, tokens = logits.max(dim=-1)
    return torch.where(greatest.abs() < torch.inf, tokens, logits.shape[-1])
