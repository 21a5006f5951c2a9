"""Sampling a frame, key by key from the lowest to the highest, in as many passes as it has notes.

Ancestral sampling decides key k by a uniform number u_k: it sounds if u_k < p(v_k = 1 | v_<k). As long as no
key sounds, all p come from one pass; the first key that sounds changes those above it. So one pass finds the
next key that sounds, and a frame of four notes takes five passes instead of 88.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.errors import ConfigError
from seqloom.models.rolls.output_layers import OutputLayer


class KeySampling(NamedTuple):
    """How keys are drawn.

    Fields:
        temperature: divides the logits; 0 takes the more probable state of each key.
        top_p: a state of a key, on or off, that has at least this probability is certain; 1 is off.
    """

    temperature: float = 1.0
    top_p: float = 1.0

    def thresholds(self, uniforms: Tensor) -> Tensor:
        """The logits above which keys sound, by a uniform number in [0, 1) for each.

        Raises:
            ConfigError: a temperature below 0, or a top-p that is not above 0 and at most 1.

        >>> KeySampling(temperature=2).thresholds(torch.tensor([0.5, 0.0]))
        tensor([0., -inf])
        """
        if not self.temperature >= 0:
            raise ConfigError("sampling", "temperature must be >= 0", got=self.temperature)
        if not 0 < self.top_p <= 1:
            raise ConfigError("sampling", "top_p must be > 0 and <= 1", got=self.top_p)
        if self.temperature == 0:
            return torch.zeros_like(uniforms)
        limit = math.inf if self.top_p == 1 else max(math.log(self.top_p / (1 - self.top_p)), 0.0)
        return uniforms.logit().clamp(-limit, limit) * self.temperature


AS_PROBABLE = KeySampling()


def sample_keys(layer: OutputLayer, context: Tensor, thresholds: Tensor) -> Tensor:
    """Draw a frame for each row.

    Args:
        layer: its output layer.
        context: (N, …) of its rows.
        thresholds: (N, K) logits above which keys sound.

    Returns:
        (N, K) truth values.
    """
    num_keys = thresholds.shape[1]
    numbers = torch.arange(num_keys, device=thresholds.device)
    frames = torch.zeros_like(thresholds, dtype=torch.bool)
    units = layer.start(context)
    above = torch.full_like(frames[:, :1], -1, dtype=torch.int64)
    while True:
        sounds = (layer.logits(units) > thresholds) & (numbers > above)
        next_key = torch.where(sounds, numbers, num_keys).amin(1)
        if int(next_key.min()) == num_keys:
            return frames
        heard = layer.hear(units, next_key)
        if heard is units:  # keys do not depend on one another
            return sounds
        frames |= numbers == next_key.unsqueeze(1)
        above, units = next_key.unsqueeze(1), heard
