"""Sampling a frame, key by key from the lowest to the highest, in as many passes as it has notes.

Ancestral sampling decides key k by a uniform number u_k: it sounds if u_k < p(v_k = 1 | v_<k). As long as no
key sounds, all p come from one pass; the first key that sounds changes those above it. So one pass finds the
next key that sounds, and a frame of four notes takes five passes instead of 88.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.errors import ConfigError


class KeySampling(NamedTuple):
    """How keys are drawn.

    Fields:
        temperature: divides the logits; 0 takes the more probable state of each key.
        top_p: a state of a key, on or off, with at least this probability is certain; 1 is off.
    """

    temperature: float = 1.0
    top_p: float = 1.0


AS_PROBABLE = KeySampling()


def sample_frames(logits_of: Callable[[Tensor], Tensor], uniforms: Tensor, options: KeySampling) -> Tensor:
    """Draw a frame for each row.

    Args:
        logits_of: from frames (B, K) to logits (B, K), of which each depends on the keys below it only.
        uniforms: (B, K) in [0, 1), one number a key.
        options: temperature and top-p.

    Returns:
        (B, K) of 0 and 1, of the type of `uniforms`.

    Raises:
        ConfigError: a temperature below 0, or a top-p that is not above 0 and at most 1.

    >>> logits = torch.tensor([[-20.0, 20.0, -20.0]])
    >>> sample_frames(lambda frames: logits, torch.rand(1, 3), KeySampling())
    tensor([[0., 1., 0.]])
    """
    check_sampling(options)
    frames = torch.zeros_like(uniforms)
    keys = torch.arange(uniforms.shape[1])
    decided = uniforms.new_full((len(uniforms), 1), -1.0)
    while True:
        sounds = _draw(logits_of(frames), uniforms, options) & (keys > decided)
        if not sounds.any():
            return frames
        first = sounds.int().argmax(1, keepdim=True)
        is_any = sounds.any(1, keepdim=True)
        frames.scatter_add_(1, first, is_any.to(frames.dtype))
        decided = torch.where(is_any, first.to(decided.dtype), decided.new_tensor(float(len(keys))))


def _draw(logits: Tensor, uniforms: Tensor, options: KeySampling) -> Tensor:
    if options.temperature == 0:
        return logits > 0
    probabilities = (logits.double() / options.temperature).sigmoid()
    if options.top_p < 1:
        probabilities = torch.where(probabilities >= options.top_p, 1.0, probabilities)
        probabilities = torch.where(1 - probabilities >= options.top_p, 0.0, probabilities)
    return uniforms < probabilities


def check_sampling(options: KeySampling) -> None:
    """Check the ranges of the options.

    Raises:
        ConfigError: one is out of its range.
    """
    if not options.temperature >= 0:
        raise ConfigError("sampling", "temperature must be >= 0", got=options.temperature)
    if not 0 < options.top_p <= 1:
        raise ConfigError("sampling", "top_p must be > 0 and <= 1", got=options.top_p)
