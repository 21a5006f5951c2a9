"""The loss of what is written token by token, each from those before it: texts, events, captions."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from seqloom.data.batching import IGNORE_INDEX, Window
from seqloom.state import State
from seqloom.tasks.base import Loss

MAX_NATS = 700
"""e to more is no float64"""


def next_token_loss(model: nn.Module, batch: Window, state: State | None) -> Loss:
    """Categorical cross-entropy of each next token, but for targets that are `IGNORE_INDEX`."""
    logits, state = model(batch.inputs, state)
    targets = batch.targets
    # The model works time-first; flattened in that order nothing is copied.
    nats = nn.functional.cross_entropy(
        logits.transpose(0, 1).flatten(0, 1).float(),
        targets.t().flatten(),
        reduction="none",
        ignore_index=IGNORE_INDEX,
    )
    return Loss(nats.view(targets.shape[::-1]).sum(0), (targets != IGNORE_INDEX).sum(1), state)


def sum_target_nats(
    model: Any, features: Tensor, targets: Tensor, smoothing: float, owners: Tensor, size: int
) -> Tensor:
    """Nats of the targets of a decoder, summed by row.

    Args:
        model: with an output layer, `nats(features, targets, smoothing)`.
        features: (N, T, F), as the decoder gives them.
        targets: (N, T) int64; those that are `IGNORE_INDEX` count for nothing.
        smoothing: share of a target's probability that goes to all tokens alike.
        owners: (N,) int64, the row that each sequence belongs to.
        size: R, number of rows.

    Returns:
        (R,)
    """
    valid = targets != IGNORE_INDEX
    # Only valid tokens go through the output layer, which costs as much as all the rest.
    nats = model.nats(features[valid], targets[valid], smoothing)
    return nats.new_zeros(size).index_add(0, owners.repeat_interleave(valid.sum(1)), nats)


def perplexity(nats: float) -> float:
    """e to the nats of a token; the largest there is where that is out of range.

    >>> round(perplexity(math.log(8)), 12)
    8.0
    """
    return math.exp(min(nats, MAX_NATS))
