"""An exponential average of the weights along a training (Polyak and Juditsky 1992): often the better model.

    average = decay * average + (1 - decay) * weights

with a decay that begins lower, min(decay, (1 + step) / (10 + step)), so that the first weights are forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

from seqloom.runs.weights import unique_state

EVERY = 8
"""Steps between updates: each reads and writes all weights, and a decay to the power of 8 is near enough."""


@final
class Average:
    """The averaged weights of a model.

    Args:
        model: whose weights are averaged, from now on.
        decay: of the average, for each step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.weights = {name: tensor.detach().clone() for name, tensor in unique_state(model).items()}
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights as they are after step number `step`."""
        if step % EVERY:
            return
        decay = min(self._decay, (1 + step) / (10 + step)) ** EVERY
        for name, tensor in unique_state(model).items():
            if tensor.is_floating_point():
                self.weights[name].lerp_(tensor, 1 - decay)
            else:
                self.weights[name].copy_(tensor)

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint's."""
        for name, tensor in weights.items():
            self.weights[name].copy_(tensor)

    @contextmanager
    def swapped_into(self, model: nn.Module) -> Iterator[None]:
        """The model with the averaged weights, for as long as the context lasts."""
        own = unique_state(model)
        kept = {name: tensor.detach().clone() for name, tensor in own.items()}
        try:
            _copy(self.weights, own)
            yield
        finally:
            _copy(kept, own)


@torch.no_grad()
def _copy(values: Mapping[str, Tensor], into: Mapping[str, Tensor]) -> None:
    for name, tensor in into.items():
        tensor.copy_(values[name])
