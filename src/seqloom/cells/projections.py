"""The weights of a cell, and the two products that every gate is computed from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Weights(NamedTuple):
    """The weights of one cell: torch.nn's, then those of layer normalization; None for absent ones.

    G is the number of gates times H; P is the width of h: H, or `proj_size` where an LSTM projects.
    """

    weight_ih: Tensor
    """(G, I)"""
    weight_hh: Tensor
    """(G, P)"""
    bias_ih: Tensor | None = None
    """(G,)"""
    bias_hh: Tensor | None = None
    """(G,)"""
    weight_hr: Tensor | None = None
    """(P, H): the projection of an LSTM"""
    gain_ih: Tensor | None = None
    """(G,): gain of the normalized input product; its shift is `bias_ih`"""
    gain_hh: Tensor | None = None
    """(G,): gain of the normalized hidden product; its shift is `bias_hh`"""
    gain_c: Tensor | None = None
    """(H,): gain of the normalized cell of an LSTM"""
    shift_c: Tensor | None = None
    """(H,): shift of the normalized cell of an LSTM"""


def input_product(x: Tensor, w: Weights, blocks: tuple[int, ...] = (1,)) -> Tensor:
    """W_ih x + b_ih, or LN(W_ih x) + b_ih: (..., I) to (..., G). A whole sequence at once is one GEMM."""
    return _product(x, w.weight_ih, w.bias_ih, w.gain_ih, blocks)


def hidden_product(
    h: Tensor, w: Weights, mask: Tensor | None = None, blocks: tuple[int, ...] = (1,)
) -> Tensor:
    """W_hh h + b_hh, or LN(W_hh h) + b_hh: (..., P) to (..., G).

    `mask` (B, P) is an optional dropout mask of h (Gal and Ghahramani, 2016, arXiv:1512.05287).
    """
    return _product(h if mask is None else h * mask, w.weight_hh, w.bias_hh, w.gain_hh, blocks)


def normalize(a: Tensor, gain: Tensor, shift: Tensor | None, blocks: tuple[int, ...] = (1,)) -> Tensor:
    """Layer normalization of the last dimension (Ba, Kiros and Hinton, 2016, arXiv:1607.06450).

    `blocks` are the parts that are normalized separately, in gates: the GRU's (2, 1) is [r z] and [n].
    """
    if len(blocks) == 1:
        return F.layer_norm(a, a.shape[-1:], gain, shift)
    width = a.shape[-1] // sum(blocks)
    parts = a.split([block * width for block in blocks], dim=-1)
    normal = torch.cat([F.layer_norm(part, part.shape[-1:]) for part in parts], dim=-1) * gain
    return normal if shift is None else normal + shift


def _product(
    x: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None, blocks: tuple[int, ...]
) -> Tensor:
    if gain is None:
        return F.linear(x, weight, bias)
    return normalize(F.linear(x, weight), gain, bias, blocks)
