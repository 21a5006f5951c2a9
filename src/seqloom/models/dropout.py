"""Dropout in the places of AWD-LSTM (Merity et al. 2018, arXiv:1708.02182)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Dropouts(NamedTuple):
    """Probabilities of dropping, in [0, 1), by place; all in training only.

    Fields:
        input: of units of the input of the first layer.
        hidden: of units between layers.
        output: of units before the output layer.
        embedding: of whole words of the vocabulary.
        weight: of elements of the recurrent matrices (DropConnect).
        recurrent: of units of the recurrent state, one mask for a whole call.
        locked: whether one mask of `input`, `hidden` and `output` serves every step (variational dropout, Gal
            and Ghahramani 2016, arXiv:1512.05287); else every step has its own.
    """

    input: float = 0.0
    hidden: float = 0.0
    output: float = 0.0
    embedding: float = 0.0
    weight: float = 0.0
    recurrent: float = 0.0
    locked: bool = False

    @classmethod
    def of_units(cls, probability: float, embedding: float = 0.0) -> Dropouts:
        """The same probability at the input, between layers and at the output."""
        return cls(probability, probability, probability, embedding)


def drop(values: Tensor, probability: float, locked: bool) -> Tensor:
    """Drop units of `values` (T, B, H), scaled so that the mean stays."""
    if probability == 0.0:
        return values
    if not locked:
        return torch.nn.functional.dropout(values, probability)
    mask = values.new_empty(1, *values.shape[1:]).bernoulli_(1 - probability)
    return values * mask.div_(1 - probability)


def drop_words(weight: Tensor, probability: float) -> Tensor:
    """Drop whole rows of an embedding matrix (V, E), scaled so that the mean stays."""
    if probability == 0.0:
        return weight
    mask = weight.new_empty(weight.shape[0], 1).bernoulli_(1 - probability)
    return weight * mask.div_(1 - probability)
