r"""Encoder-decoder: one sequence is read both ways, another is written while looking back at it.

.. math::

    m_1 \dots m_S &= \mathrm{encoder}(x_1 \dots x_S), \text{ in both directions} \\
    h_t, s_t &= \mathrm{decoder}(E[y_{t-1}], s_{t-1}), \quad s_0 = \mathrm{bridge}(m) \\
    c_t &= \mathrm{attention}(h_t, m) \\
    p(y_t \mid y_{<t}, x) &= \mathrm{softmax}(E \tanh(W [c_t; h_t]) + b)

Bahdanau et al., 2015 (arXiv:1409.0473) and Luong et al., 2015 (arXiv:1508.04025), whose attention after the
recurrence this is. Their input feeding is left out: no step of the decoder waits for the attention of the one
before, so in training the decoder is one call over the whole sequence, and the attention one matrix product.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, final

import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError
from seqloom.layers.attention import Attention, Memory
from seqloom.layers.cross_entropy import output_cross_entropy
from seqloom.layers.recurrent import GRU, LSTM, RNN
from seqloom.models.dropout import Dropouts, drop, drop_words
from seqloom.shapes import Logits, Tokens
from seqloom.state import State, tensors_of

CellType: TypeAlias = Literal["rnn", "lstm", "gru"]
AttentionType: TypeAlias = Literal["additive", "multiplicative", "dot", "none"]

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


class EncodedSource(NamedTuple):
    """A batch of sources, read.

    Fields:
        memory: what the decoder attends to, 2 H features a place; None where there is no attention.
        last: (B, 2 H), the last layer's output at either end: what the decoder sees without attention.
        start: what the decoder starts from.
    """

    memory: Memory | None
    last: Tensor
    start: DecoderState


class DecoderState(NamedTuple):
    """Where the decoder is.

    Fields:
        layers: of each recurrent layer its state, (1, B, 2 H) tensors.
        rows: (1, B) int64, of which row of the sources each row is a translation: so beams share a memory.
    """

    layers: State
    rows: Tensor


class DecoderOutput(NamedTuple):
    """What the decoder makes of some tokens.

    Fields:
        features: (B, T, E): the input of the output layer.
        weights: (B, T, S) of attention; None where there is none.
        state: after the last token of each row.
    """

    features: Tensor
    weights: Tensor | None
    state: DecoderState


@final
class EncoderDecoder(nn.Module):
    """Write a sequence that depends on another one.

    Args:
        vocabulary_sizes: tokens of the source, and of the target.
        embedding_size: width of a token's vector, E; the target's vectors are the output layer's matrix too
            (Press and Wolf 2017, arXiv:1608.05859).
        hidden_size: H, units of an encoder's layer in each direction; the decoder's layers have 2 H.
        num_layers: layers of the encoder.
        decoder_layers: layers of the decoder.
        cell_type: `rnn`, `lstm` or `gru`.
        attention: `additive`, `multiplicative`, `dot`, or `none`: then every step of the decoder is given
            what the encoder's last layer had at its two ends (Cho et al., 2014, arXiv:1406.1078).
        dropouts: where and how much is dropped in training; `output` before the output layer.

    Raises:
        ConfigError: an argument out of its range.

    >>> model = EncoderDecoder((10, 12), embedding_size=8, hidden_size=16)
    >>> source, target = torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([[0, 6], [0, 7]])
    >>> model(source, [3, 2], target).shape
    torch.Size([2, 2, 12])
    """

    def __init__(
        self,
        vocabulary_sizes: tuple[int, int],
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 2,
        decoder_layers: int = 1,
        cell_type: CellType = "gru",
        attention: AttentionType = "dot",
        dropouts: Dropouts = Dropouts(),
    ) -> None:
        super().__init__()
        sizes = {"embedding_size": embedding_size, "hidden_size": hidden_size, "num_layers": num_layers}
        sizes["decoder_layers"], sizes["vocabulary_sizes"] = decoder_layers, min(vocabulary_sizes)
        for name, size in sizes.items():
            if size < 1:
                raise ConfigError("EncoderDecoder", f"{name} must be an int >= 1", got=size)
        if cell_type not in LAYERS:
            raise ConfigError(
                "EncoderDecoder", f"cell_type must be one of {', '.join(LAYERS)}", got=cell_type
            )
        layer, width, weight = LAYERS[cell_type], 2 * hidden_size, dropouts.weight
        recurrent = {"weight_dropout": weight, "recurrent_dropout": dropouts.recurrent}
        self.dropouts = dropouts
        self.source_embedding = nn.Embedding(vocabulary_sizes[0], embedding_size)
        self.target_embedding = nn.Embedding(vocabulary_sizes[1], embedding_size)
        self.encoder = nn.ModuleList(
            layer(width if above else embedding_size, hidden_size, bidirectional=True, **recurrent)
            for above in range(num_layers)
        )
        self.decoder = nn.ModuleList(
            layer(width if above else embedding_size, width, **recurrent) for above in range(decoder_layers)
        )
        parts = 2 if cell_type == "lstm" else 1
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

    def encode(self, source: Tokens, lengths: Tensor | list[int]) -> EncodedSource:
        """Read sources.

        Args:
            source: (B, S) token numbers; what stands beyond a row's length is never looked at.
            lengths: (B,), the real tokens of each row.
        """
        drops = self.dropouts if self.training else Dropouts()
        lengths = torch.as_tensor(lengths)
        values = nn.functional.embedding(
            source.t(), drop_words(self.source_embedding.weight, drops.embedding)
        )
        values = drop(values, drops.input, drops.locked)
        after: State = ()
        for number, layer in enumerate(self.encoder):
            if number:
                values = drop(values, drops.hidden, drops.locked)
            values, after = layer(values, lengths=lengths)
        # Of the last layer what either end had, (B, 2 H): h, and of an LSTM c.
        ends = [end.transpose(0, 1).flatten(1) for end in tensors_of(after)]
        starts = [
            bridge(end).unflatten(1, (len(self.decoder), -1)).transpose(0, 1)
            for bridge, end in zip(self.bridges, ends, strict=True)
        ]
        starts[0] = torch.tanh(starts[0])  # h is within (-1, 1), as a cell would have it; c is not
        if len(starts) == 2:
            layers: State = tuple((h.unsqueeze(0), c.unsqueeze(0)) for h, c in zip(*starts, strict=True))
        else:
            layers = tuple(h.unsqueeze(0) for h in starts[0])
        memory = None
        if self.attention is not None:
            values = drop(values, drops.hidden, drops.locked)
            memory = self.attention.remember(values.transpose(0, 1), lengths)
        rows = torch.arange(source.shape[0], device=source.device).unsqueeze(0)
        return EncodedSource(memory, ends[0], DecoderState(layers, rows))

    def decode(
        self, tokens: Tokens, state: DecoderState, encoded: EncodedSource, lengths: Tensor | None = None
    ) -> DecoderOutput:
        """Read `tokens` (B, T) of the target from `state` on, of which `lengths` (B,) are real; None: all."""
        drops = self.dropouts if self.training else Dropouts()
        values = nn.functional.embedding(
            tokens.t(), drop_words(self.target_embedding.weight, drops.embedding)
        )
        values = drop(values, drops.input, drops.locked)
        after: list[State] = []
        for number, layer in enumerate(self.decoder):
            if number:
                values = drop(values, drops.hidden, drops.locked)
            values, state_after = layer(values, state.layers[number], lengths=lengths)
            after.append(state_after)
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
        features = drop(features.transpose(0, 1), drops.output, drops.locked).transpose(0, 1)
        return DecoderOutput(features, weights, DecoderState(tuple(after), state.rows))

    def logits(self, features: Tensor) -> Tensor:
        """(..., E) to logits (..., V)."""
        return nn.functional.linear(features, self.target_embedding.weight, self.output_bias)

    def nats(self, features: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The cross-entropy (N,) of `targets` (N,) given their features (N, E)."""
        return output_cross_entropy(
            features, self.target_embedding.weight, self.output_bias, targets, label_smoothing
        )

    def step(
        self, tokens: Tokens, state: DecoderState, encoded: EncodedSource
    ) -> tuple[Logits, DecoderState]:
        """Read `tokens` (B, T) from `state` on: logits of what follows each (B, T, V), and the state then."""
        decoded = self.decode(tokens, state, encoded)
        return self.logits(decoded.features), decoded.state

    def forward(
        self,
        source: Tokens,
        source_lengths: Tensor | list[int],
        target: Tokens,
        lengths: Tensor | None = None,
    ) -> Logits:
        """Logits (B, T, V) of what follows each of `target` (B, T), which begins with the start token."""
        encoded = self.encode(source, source_lengths)
        return self.logits(self.decode(target, encoded.start, encoded, lengths).features)
