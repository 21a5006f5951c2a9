"""Exponential moving average of the weights (Polyak and Juditsky 1992), often better than the last weights.

    average = decay * average + (1 - decay) * weights

with a decay that starts lower, min(decay, (1 + step) / (10 + step)), to forget the initial weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

from seqloom.runs.weights import unique_state

STEPS_BETWEEN_UPDATES = 8
"""Each update reads and writes all weights; a decay to the power of 8 is near enough."""


@final
class WeightAverage:
    """The averaged weights of a model.

    Args:
        model: whose weights are averaged, from now on.
        decay: share of the old average that is left after a step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.weights = {name: tensor.detach().clone() for name, tensor in unique_state(model).items()}
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Add the weights as they are after step number `step`."""
        if step % STEPS_BETWEEN_UPDATES:
            return
        decay = min(self._decay, (1 + step) / (10 + step)) ** STEPS_BETWEEN_UPDATES
        for name, tensor in unique_state(model).items():
            if tensor.is_floating_point():
                self.weights[name].lerp_(tensor, 1 - decay)
            else:
                self.weights[name].copy_(tensor)

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Take the averaged weights of a checkpoint."""
        for name, tensor in weights.items():
            self.weights[name].copy_(tensor)

    @contextmanager
    def swapped_into(self, model: nn.Module) -> Iterator[None]:
        """Give the model the averaged weights for as long as the context lasts."""
        own = unique_state(model)
        saved = {name: tensor.detach().clone() for name, tensor in own.items()}
        try:
            _copy(self.weights, own)
            yield
        finally:
            _copy(saved, own)


@torch.no_grad()
def _copy(values: Mapping[str, Tensor], into: Mapping[str, Tensor]) -> None:
    for name, tensor in into.items():
        tensor.copy_(values[name])
