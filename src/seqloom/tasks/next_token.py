"""The loss of language models, of texts and of events alike: each token is predicted from those before it."""

from __future__ import annotations

from torch import nn

from seqloom.data.batching import IGNORE_INDEX, Window
from seqloom.state import State
from seqloom.tasks.base import Loss


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
