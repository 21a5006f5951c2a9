r"""Encoder-decoder with attention: a bidirectional encoder reads one sequence, a decoder writes another.

.. math::

    m_1 \dots m_S &= \mathrm{encoder}(x_1 \dots x_S), \text{ in both directions} \\
    h_t, s_t &= \mathrm{decoder}(E[y_{t-1}], s_{t-1}), \quad s_0 = \mathrm{bridge}(m) \\
    c_t &= \mathrm{attention}(h_t, m) \\
    p(y_t \mid y_{<t}, x) &= \mathrm{softmax}(E \tanh(W [c_t; h_t]) + b)

Bahdanau et al., 2015 (arXiv:1409.0473) and Luong et al., 2015 (arXiv:1508.04025), whose attention after the
recurrence this is. It has no input feeding: no step of the decoder waits for the attention of the previous
one, so that in training the decoder is one call over the whole sequence, and the attention one matrix
product.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.layers.attention import Attention, Memory
from seqloom.layers.cross_entropy import output_cross_entropy
from seqloom.models.dropout import drop, drop_words
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack
from seqloom.shapes import Logits, Tokens
from seqloom.state import State, tensors_of

AttentionType: TypeAlias = Literal["additive", "multiplicative", "dot", "none"]


class EncoderOutput(NamedTuple):
    """An encoded batch of sources.

    Fields:
        memory: what the decoder attends to, 2 H features a token; None without attention.
        last: (B, 2 H), the last layer's final output of either direction: the context without attention.
        start: the decoder's first state.
    """

    memory: Memory | None
    last: Tensor
    start: DecoderState


class DecoderState(NamedTuple):
    """The state of the decoder.

    Fields:
        layers: the state of each recurrent layer, (1, B, 2 H) tensors.
        rows: (1, B) int64, the source that each row translates, so that beams share its memory.
    """

    layers: State
    rows: Tensor


class DecoderOutput(NamedTuple):
    """The decoder's output for some tokens.

    Fields:
        features: (B, T, E), the input of the output layer.
        weights: (B, T, S) of the attention; None without attention.
        state: after the last token of each row.
    """

    features: Tensor
    weights: Tensor | None
    state: DecoderState


@final
class EncoderDecoder(nn.Module):
    """Write a sequence that depends on another one.

    Args:
        vocabulary_sizes: tokens in the vocabularies of the source and of the target.
        embedding_size: E, width of a token's vector; the output layer uses the target's vectors
            (Press and Wolf 2017, arXiv:1608.05859).
        recurrent: the encoder's layers, which always read both ways; the decoder's have 2 H units.
        decoder_layers: layers of the decoder.
        attention: `additive`, `multiplicative`, `dot`, or `none`: then the context of every step is the final
            output of the encoder's last layer (Cho et al., 2014, arXiv:1406.1078).

    Raises:
        ConfigError: an argument out of its range.

    >>> model = EncoderDecoder((10, 12), embedding_size=8, recurrent=RecurrentConfig("gru", 16))
    >>> source, target = torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([[0, 6], [0, 7]])
    >>> model(source, [3, 2], target).shape
    torch.Size([2, 2, 12])
    """

    def __init__(
        self,
        vocabulary_sizes: tuple[int, int],
        embedding_size: int,
        recurrent: RecurrentConfig,
        decoder_layers: int = 1,
        attention: AttentionType = "dot",
    ) -> None:
        super().__init__()
        sizes = {"embedding_size": embedding_size, "decoder_layers": decoder_layers}
        for name, size in {**sizes, "vocabulary_sizes": min(vocabulary_sizes)}.items():
            check_size("EncoderDecoder", name, size)
        dropouts, width = recurrent.dropouts, 2 * recurrent.hidden_size
        encoded = dropouts.hidden if attention != "none" else 0.0  # what attention reads is dropped as well
        encoder = recurrent._replace(bidirectional=True, dropouts=dropouts._replace(output=encoded))
        decoder = recurrent.without_output_dropout()._replace(
            hidden_size=width, num_layers=decoder_layers, bidirectional=False
        )
        self.dropouts = dropouts
        self.source_embedding = nn.Embedding(vocabulary_sizes[0], embedding_size)
        self.target_embedding = nn.Embedding(vocabulary_sizes[1], embedding_size)
        self.encoder = RecurrentStack(embedding_size, encoder)
        self.decoder = RecurrentStack(embedding_size, decoder)
        parts = len(tensors_of(self.decoder[0].initial_state(1)))  # type: ignore[operator]
        self.bridges = nn.ModuleList(nn.Linear(width, decoder_layers * width) for _ in range(parts))
        self.attention = None if attention == "none" else Attention(attention, width, width)
        self.combine = nn.Linear(2 * width, embedding_size)
        self.output_bias = nn.Parameter(torch.zeros(vocabulary_sizes[1]))
        for embedding in (self.source_embedding, self.target_embedding):
            # torch's embedding has deviation 1, which is too much for an output layer
            nn.init.uniform_(embedding.weight, -0.1, 0.1)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.output_bias.device

    def encode(self, source: Tokens, lengths: Tensor | list[int]) -> EncoderOutput:
        """Encode sources.

        Args:
            source: (B, S) token numbers; those beyond a row's length are ignored.
            lengths: (B,), the valid tokens of each row.
        """
        lengths = torch.as_tensor(lengths, device=source.device)
        values, states = self.encoder(self._embed(source, self.source_embedding), lengths=lengths)
        # The last layer's final state of either direction, (B, 2 H): h, and of an LSTM c.
        ends = [end.transpose(0, 1).flatten(1) for end in tensors_of(states[-1])]
        starts = [
            bridge(end).unflatten(1, (len(self.decoder), -1)).transpose(0, 1).unsqueeze(1)
            for bridge, end in zip(self.bridges, ends, strict=True)
        ]
        starts[0] = torch.tanh(starts[0])  # h is within (-1, 1), as a cell would have it; c is not
        layers: State = tuple(zip(*starts, strict=True)) if len(starts) > 1 else tuple(starts[0])
        memory = None
        if self.attention is not None:
            memory = self.attention.remember(values.transpose(0, 1), lengths)
        rows = torch.arange(source.shape[0], device=source.device).unsqueeze(0)
        return EncoderOutput(memory, ends[0], DecoderState(layers, rows))

    def decode(
        self, tokens: Tokens, state: DecoderState, encoded: EncoderOutput, lengths: Tensor | None = None
    ) -> DecoderOutput:
        """Read target `tokens` (B, T) on from `state`; `lengths` (B,) of them are valid, None: all."""
        values, layers = self.decoder(self._embed(tokens, self.target_embedding), state.layers, lengths)
        hidden, rows, weights = values.transpose(0, 1), state.rows[0], None
        if self.attention is None:
            context = encoded.last[rows].unsqueeze(1).expand(-1, tokens.shape[1], -1)
        else:
            assert encoded.memory is not None
            # While every row has its own memory, as in training, nothing is copied.
            unmoved = state.rows is encoded.start.rows
            memory = encoded.memory if unmoved else encoded.memory.rows(rows)
            context, weights = self.attention(hidden, memory)
        features = torch.tanh(self.combine(torch.cat([context.to(hidden.dtype), hidden], -1)))
        if self.training:
            features = drop(features.transpose(0, 1), self.dropouts.output, self.dropouts.locked).transpose(
                0, 1
            )
        return DecoderOutput(features, weights, DecoderState(layers, state.rows))

    def _embed(self, tokens: Tokens, embedding: nn.Embedding) -> Tensor:
        """The vectors (T, B, E) of tokens (B, T)."""
        dropout = self.dropouts.embedding if self.training else 0.0
        return nn.functional.embedding(tokens.t(), drop_words(embedding.weight, dropout))

    def logits(self, features: Tensor) -> Tensor:
        """Features (..., E) to logits (..., V)."""
        return nn.functional.linear(features, self.target_embedding.weight, self.output_bias)

    def nats(self, features: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The cross-entropy (N,) of `targets` (N,), from features (N, E)."""
        return output_cross_entropy(
            features, self.target_embedding.weight, self.output_bias, targets, label_smoothing
        )

    def step(
        self, tokens: Tokens, state: DecoderState, encoded: EncoderOutput
    ) -> tuple[Logits, DecoderState]:
        """Read `tokens` (B, T) on from `state`: the logits (B, T, V) of the next ones, and the new state."""
        decoded = self.decode(tokens, state, encoded)
        return self.logits(decoded.features), decoded.state

    def forward(
        self,
        source: Tokens,
        source_lengths: Tensor | list[int],
        target: Tokens,
        lengths: Tensor | None = None,
    ) -> Logits:
        """The logits (B, T, V) of what follows each of `target` (B, T), which begins with the start token."""
        encoded = self.encode(source, source_lengths)
        return self.logits(self.decode(target, encoded.start, encoded, lengths).features)
