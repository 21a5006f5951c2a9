r"""One-to-many: a recurrent decoder writes a caption, and looks at the picture after each step.

.. math::

    v_k &= \mathrm{relu}(W_v f_k + q_k), \quad g = \mathrm{relu}(W_g \bar f) \\
    h_t, s_t &= \mathrm{recurrence}(E[y_{t-1}] + g, s_{t-1}), \quad s_0 = \mathrm{start}(g) \\
    c_t &= \mathrm{attention}(h_t, v) \\
    p(y_t \mid y_{<t}, f) &= \mathrm{softmax}(E \tanh(W [c_t; h_t]) + b)

f are the features of the K places of a picture, and q a vector for each place, which says where it is. As in
Lu et al., 2017 (arXiv:1612.01887), and unlike in Show, attend and tell (Xu et al., 2015, arXiv:1502.03044),
what was looked at is not an input of the next step: so in training the recurrence is one call of the fused
kernel over the whole caption, and attention one matrix product.
"""

from __future__ import annotations

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
from seqloom.models.captioning.region_attention import RegionAttention
from seqloom.models.dropout import drop, drop_words
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack
from seqloom.shapes import Tokens
from seqloom.state import State, tensors_of


@final
class RecurrentCaptionDecoder(nn.Module):
    """Recurrent layers, attention over the places of a picture, and the output layer's input.

    Args:
        vocabulary_size: V, tokens.
        map_size: K places of a picture, and C features of each.
        embedding_size: E, width of a token's vector.
        recurrent: the layers.
        attention: `soft`, `adaptive` (with a sentinel), or `none`: then the whole picture is the context.
        word_range: a component of a token's vector begins between plus and minus this.

    >>> decoder = RecurrentCaptionDecoder(10, (9, 6), 8, RecurrentConfig("gru", 16))
    >>> encoded = decoder.encode(torch.randn(2, 9, 6))
    >>> decoder.decode(torch.tensor([[0, 3], [0, 4]]), encoded.start, encoded).weights.shape
    torch.Size([2, 2, 9])
    """

    def __init__(
        self,
        vocabulary_size: int,
        map_size: tuple[int, int],
        embedding_size: int,
        recurrent: RecurrentConfig,
        attention: CaptionAttention = "soft",
        word_range: float = WORD_RANGE,
    ) -> None:
        super().__init__()
        width, (num_places, feature_size) = recurrent.hidden_size, map_size
        self.dropouts = recurrent.dropouts
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.layers = RecurrentStack(embedding_size, recurrent.without_output_dropout())
        self.places = None if attention == "none" else nn.Linear(feature_size, width)  # W_v
        self.positions = None if attention == "none" else nn.Parameter(torch.zeros(num_places, width))  # q
        self.summary = nn.Linear(feature_size, embedding_size)  # W_g
        parts = len(tensors_of(self.layers[0].initial_state(1)))  # type: ignore[operator]
        self.starts = nn.ModuleList(
            nn.Linear(embedding_size, recurrent.num_layers * width) for _ in range(parts)
        )
        sentinel = embedding_size if attention == "adaptive" else None
        self.attention = None if attention == "none" else RegionAttention(width, width, sentinel)
        self.combine = nn.Linear(width + (width if self.attention else embedding_size), embedding_size)
        # torch's embedding has deviation 1, which is too much for an output layer
        nn.init.uniform_(self.embedding.weight, -word_range, word_range)

    def encode(self, features: Tensor) -> PictureMemory:
        """Pictures (B, K, C)."""
        mean = features.mean(1)
        summary = torch.relu(self.summary(mean))
        values = summary.unsqueeze(1)
        if self.places is not None:
            assert self.positions is not None
            values = torch.relu(self.places(features) + self.positions)
            if self.training:
                values = nn.functional.dropout(values, self.dropouts.hidden)
        states = [
            start(summary).unflatten(1, (len(self.layers), -1)).transpose(0, 1).unsqueeze(1)
            for start in self.starts
        ]
        states[0] = torch.tanh(states[0])  # h is within (-1, 1), as a cell would have it; c is not
        layers: State = tuple(zip(*states, strict=True)) if len(states) > 1 else tuple(states[0])
        rows = picture_rows(len(features), features.device)
        return PictureMemory(values, summary, DecoderState(layers, rows))

    def decode(
        self, tokens: Tokens, state: DecoderState, encoded: PictureMemory, lengths: Tensor | None = None
    ) -> DecoderOutput:
        """Read `tokens` (N, T) on from `state`; `lengths` (N,) of them are valid, None: all."""
        dropout = self.dropouts.embedding if self.training else 0.0
        rows = state.rows[0]
        vectors = nn.functional.embedding(tokens.t(), drop_words(self.embedding.weight, dropout))
        x = vectors + encoded.summary[rows]
        output, layers = self.layers(x, state.layers, lengths)
        hidden, weights = output.transpose(0, 1), None
        if self.attention is None:
            context = encoded.summary[rows].unsqueeze(1).expand(-1, tokens.shape[1], -1)
        else:
            before = None
            if self.attention.has_sentinel:
                first = tensors_of(state.layers[-1])[0]  # h of the last layer
                before = (x.transpose(0, 1), torch.cat([first, output[:-1]]).transpose(0, 1))
            context, weights = self.attention(hidden, encoded.values[rows], before)
        features = torch.tanh(self.combine(torch.cat([context.to(hidden.dtype), hidden], -1)))
        if self.training:
            features = drop(features.transpose(0, 1), self.dropouts.output, self.dropouts.locked)
            features = features.transpose(0, 1)
        return DecoderOutput(features, weights, DecoderState(layers, state.rows))
