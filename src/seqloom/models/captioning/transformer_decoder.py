r"""One-to-many without recurrence: a Transformer decoder (Vaswani et al., 2017, arXiv:1706.03762).

.. math::

    x &\leftarrow x + \mathrm{attention}(\mathrm{norm}(x), x_{\le t}) \\
    x &\leftarrow x + \mathrm{attention}(\mathrm{norm}(x), v) \\
    x &\leftarrow x + W_2 \, \mathrm{relu}(W_1 \, \mathrm{norm}(x))

Its state is the tokens so far, which every step reads again: a caption has some dozen.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from seqloom.models.captioning.memory import (
    WORD_RANGE,
    CaptionAttention,
    DecoderOutput,
    DecoderState,
    PictureMemory,
    picture_rows,
)
from seqloom.shapes import Tokens

HEADS = (8, 4, 2, 1)
"""The first that divides the width is the number of heads"""
GROWTH = 4
"""Of the width within a feed-forward layer"""


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.itself = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.picture = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.wide, self.narrow = nn.Linear(width, GROWTH * width), nn.Linear(GROWTH * width, width)
        self.dropout = dropout

    def forward(self, x: Tensor, values: Tensor, future: Tensor) -> tuple[Tensor, Tensor]:
        """The output (N, T, H), and the weights (N, T, K) of the places of the picture."""
        y = self.norms[0](x)
        x = x + self._drop(self.itself(y, y, y, attn_mask=future, need_weights=False)[0])
        y, weights = self.picture(self.norms[1](x), values, values)
        x = x + self._drop(y)
        y = self.narrow(self._drop(torch.relu(self.wide(self.norms[2](x)))))
        return x + self._drop(y), weights

    def _drop(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.dropout, self.training)


@final
class TransformerCaptionDecoder(nn.Module):
    """Layers of torch.nn over the tokens so far and the places of a picture.

    Args:
        vocabulary_size: V, tokens.
        map_size: K places of a picture, and C features of each.
        width: H, of tokens and layers.
        num_layers: layers on top of one another.
        attention: `soft`; `adaptive`, with one learned place more; or `none`: the picture is one place.
        dropout: of units, in training.

    >>> decoder = TransformerCaptionDecoder(10, (9, 6), 16)
    >>> encoded = decoder.encode(torch.randn(2, 9, 6))
    >>> decoder.decode(torch.tensor([[0, 3], [0, 4]]), encoded.start, encoded).weights.shape
    torch.Size([2, 2, 9])
    """

    def __init__(
        self,
        vocabulary_size: int,
        map_size: tuple[int, int],
        width: int,
        num_layers: int = 1,
        attention: CaptionAttention = "soft",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        heads = next(heads for heads in HEADS if width % heads == 0)
        self.embedding = nn.Embedding(vocabulary_size, width)
        num_places, feature_size = map_size
        self.places = nn.Linear(feature_size, width)
        self.positions = nn.Parameter(torch.zeros(1 if attention == "none" else num_places, width))
        self.sentinel = nn.Parameter(torch.zeros(width)) if attention == "adaptive" else None
        self.layers = nn.ModuleList(_Layer(width, heads, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)
        self.is_whole, self.dropout = attention == "none", dropout
        nn.init.uniform_(self.embedding.weight, -WORD_RANGE, WORD_RANGE)

    def encode(self, features: Tensor) -> PictureMemory:
        """Pictures (B, K, C)."""
        places = features.mean(1, keepdim=True) if self.is_whole else features
        values = torch.relu(self.places(places) + self.positions)
        values = nn.functional.dropout(values, self.dropout, self.training)
        summary = values.mean(1)
        if self.sentinel is not None:
            values = torch.cat([values, self.sentinel.expand(len(values), 1, -1)], 1)
        nothing = torch.zeros(0, len(features), dtype=torch.int64, device=features.device)
        start = DecoderState(nothing, picture_rows(len(features), features.device))
        return PictureMemory(values, summary, start)

    def decode(
        self, tokens: Tokens, state: DecoderState, encoded: PictureMemory, lengths: Tensor | None = None
    ) -> DecoderOutput:
        """Read `tokens` (N, T) on from `state`; what is beyond `lengths` reaches no other step."""
        del lengths
        assert isinstance(state.layers, Tensor)
        whole = torch.cat([state.layers, tokens.t()])
        steps, device = whole.shape[0], whole.device
        width = self.embedding.embedding_dim
        # Vectors are small, as they are the output layer's too: here they have the size of a position's.
        x = self.embedding(whole.t()) * math.sqrt(width) + _positions(steps, width, device)
        x = nn.functional.dropout(x.to(encoded.values.dtype), self.dropout, self.training)
        future = torch.ones(steps, steps, dtype=torch.bool, device=device).triu(1)
        values, weights = encoded.values[state.rows[0]], None
        for layer in self.layers:
            x, weights = layer(x, values, future)
        features = self.norm(x)[:, -tokens.shape[1] :]
        assert weights is not None
        count = values.shape[1] - (self.sentinel is not None)
        looked = None if self.is_whole else weights[:, -tokens.shape[1] :, :count]
        return DecoderOutput(features, looked, DecoderState(whole, state.rows))


def _positions(steps: int, width: int, device: torch.device) -> Tensor:
    """Sines and cosines (T, H) of each position."""
    half = (width + 1) // 2
    scale = torch.exp(torch.arange(half, device=device) * (-math.log(10_000.0) / half))
    angles = torch.arange(steps, device=device).unsqueeze(1) * scale
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :width]
