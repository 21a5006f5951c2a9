r"""Attention over the places of a picture, with or without a sentinel.

.. math::

    e_{tk} &= \frac{(W_q h_t) \cdot k_k}{\sqrt{A}} \\
    a_t &= \mathrm{softmax}(e_{t1}, \dots, e_{tK}) \\
    c_t &= \sum_k a_{tk} v_k

Adaptive attention (Lu et al., 2017, arXiv:1612.01887, "Knowing when to look") has one place more, the
sentinel: what the decoder knows without looking.

.. math:: s_t = \sigma(W_x x_t + W_h h_{t-1}) \odot \tanh(W_s h_t)

In that paper its last factor is the tanh of the memory cell, which a GRU and a plain RNN lack.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn


@final
class RegionAttention(nn.Module):
    """The mean of the places of a picture, weighed by a query.

    Args:
        query_size: H, features of the decoder.
        size: A, features of values.
        input_size: I, features of the decoder's input, for the sentinel; None: there is none.

    >>> attention = RegionAttention(query_size=4, size=6, input_size=5)
    >>> values = torch.randn(2, 49, 6)
    >>> h, x = torch.randn(2, 3, 4), torch.randn(2, 3, 5)
    >>> context, weights = attention(h, values, (x, h))
    >>> context.shape, weights.shape, bool((weights.sum(-1) < 1).all())
    (torch.Size([2, 3, 6]), torch.Size([2, 3, 49]), True)
    """

    def __init__(self, query_size: int, size: int, input_size: int | None = None) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, size, bias=False)  # W_q
        self.has_sentinel = input_size is not None
        if input_size is not None:
            self.gate_input = nn.Linear(input_size, size)  # W_x
            self.gate_hidden = nn.Linear(query_size, size, bias=False)  # W_h
            self.sentinel = nn.Linear(query_size, size)  # W_s

    def forward(
        self, h: Tensor, values: Tensor, before: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The context of every step.

        Args:
            h: (N, T, H), the decoder's output.
            values: (N, K, A) of the picture of each row, which are its keys too.
            before: x (N, T, I), the decoder's input, and h (N, T, H) one step earlier, for the sentinel.

        Returns:
            The context (N, T, A), and the weights (N, T, K) of the places.
        """
        query = self.query(h) / math.sqrt(values.shape[-1])
        scores = query @ values.mT
        if not self.has_sentinel:
            weights = scores.softmax(-1)
            return weights @ values, weights
        assert before is not None
        x, h_before = before
        sentinel = torch.sigmoid(self.gate_input(x) + self.gate_hidden(h_before)) * torch.tanh(
            self.sentinel(h)
        )
        own = (query * sentinel).sum(-1, keepdim=True)
        weights = torch.cat([scores, own], -1).softmax(-1)
        places, rest = weights[..., :-1], weights[..., -1:]
        return places @ values + rest * sentinel, places
