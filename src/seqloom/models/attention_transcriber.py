r"""Many-to-many, unaligned, by attention: an encoder reads a whole recording, a decoder writes its text.

.. math::

    m_1 \dots m_T &= \mathrm{recurrence}(x_1 \dots x_T) \\
    h_u, s_u &= \mathrm{decoder}(E[y_{u-1}], s_{u-1}) \\
    c_u &= \mathrm{attention}(h_u, m) \\
    p(y_u | y_{<u}, x) &= \mathrm{softmax}(W \tanh(U [c_u; h_u]) + b)

Listen, attend and spell (Chan et al. 2016, arXiv:1508.01211), without its pyramid: frames are stacked
beforehand. The encoder has an output layer for connectionist temporal classification too, whose loss teaches
it that sound and text run in the same order (Watanabe et al. 2017, "Hybrid CTC/attention architecture").
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.layers.attention import Attention, Memory, Score
from seqloom.layers.masking import Lengths
from seqloom.models.ctc_transcriber import CTCTranscriber
from seqloom.models.dropout import Dropouts, drop
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.shapes import Logits, Tokens
from seqloom.state import State


class DecoderState(NamedTuple):
    """The state of the decoder.

    Fields:
        layer: the state of its recurrent layer.
        rows: (1, B) int64, the recording that each row transcribes, so that beams share its memory.
    """

    layer: State
    rows: Tensor


class EncoderOutput(NamedTuple):
    """An encoded batch of recordings.

    Fields:
        memory: what the decoder attends to.
        start: the decoder's first state.
        logits: (B, T, V), from the encoder's own output layer, for CTC.
    """

    memory: Memory
    start: DecoderState
    logits: Logits


class DecoderOutput(NamedTuple):
    """The decoder's output for some tokens.

    Fields:
        logits: (B, U, V) of the next ones.
        weights: (B, U, T) of the attention.
        state: after the last token of each row.
    """

    logits: Logits
    weights: Tensor
    state: DecoderState


@final
class AttentionTranscriber(nn.Module):
    """Write the text of a recording symbol by symbol. Number 0 begins and ends it.

    Args:
        input_size: F, features of a step.
        output_size: V, number of symbols, number 0 included.
        recurrent: the encoder's layers; the decoder has one such layer, as wide as the encoder's output.
        score: how attention scores: `additive`, `multiplicative` or `dot`.
        front: the encoder's: from steps (B, T, …) and lengths (B,) to features; None: steps are features.

    Raises:
        ConfigError: an argument out of its range.

    >>> model = AttentionTranscriber(input_size=8, output_size=5, recurrent=RecurrentConfig("gru", 16))
    >>> encoded = model.encode(torch.randn(2, 7, 8), torch.tensor([7, 4]))
    >>> logits, state = model.step(torch.tensor([[0, 3], [0, 1]]), encoded.start, encoded)
    >>> logits.shape
    torch.Size([2, 2, 5])
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        recurrent: RecurrentConfig,
        score: Score = "additive",
        front: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.encoder = CTCTranscriber(input_size, output_size, recurrent, front)
        width = self.encoder.layers.output_size
        self.embedding = nn.Embedding(output_size, width)
        self.decoder = recurrent._replace(bidirectional=False).layer(width, width)
        self.attention = Attention(score, width, width)
        self.combine = nn.Linear(2 * width, width)
        self.output = nn.Linear(width, output_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.output.weight.device

    def encode(self, features: Tensor, lengths: Lengths = None) -> EncoderOutput:
        """Encode whole recordings (B, T, F), with `lengths` (B,) valid steps; None: all of them."""
        B, T = features.shape[:2]
        values = self.encoder.encode(features, lengths)
        valid = torch.full((B,), T, device="cpu") if lengths is None else torch.as_tensor(lengths)
        rows = torch.arange(B, device=features.device).unsqueeze(0)
        start = self.decoder.initial_state(B)  # type: ignore[operator]
        memory = self.attention.remember(values, valid)
        return EncoderOutput(memory, DecoderState(start, rows), self.encoder.output(values))

    def step(
        self, tokens: Tokens, state: DecoderState, encoded: EncoderOutput, lengths: Lengths = None
    ) -> tuple[Logits, DecoderState]:
        """Read `tokens` (B, U) on from `state`: the logits (B, U, V) of the next ones, and the new state."""
        decoded = self.decode(tokens, state, encoded, lengths)
        return decoded.logits, decoded.state

    def decode(
        self, tokens: Tokens, state: DecoderState, encoded: EncoderOutput, lengths: Lengths = None
    ) -> DecoderOutput:
        """Read `tokens` (B, U) on from `state`.

        Args:
            tokens: symbols of each row; a text begins with 0.
            state: `encoded.start`, or that after the previous call.
            encoded: the recordings.
            lengths: (B,) the valid tokens of each row; None: all of them.
        """
        dropouts = self.encoder.layers.config.dropouts if self.training else Dropouts()
        x = nn.functional.embedding(tokens.t(), self.embedding.weight)
        h, layer_state = self.decoder(drop(x, dropouts.hidden, dropouts.locked), state.layer, lengths=lengths)
        hidden = h.transpose(0, 1)
        # While every row has its own memory, as in training, nothing is copied.
        unmoved = state.rows is encoded.start.rows
        memory = encoded.memory if unmoved else encoded.memory.rows(state.rows[0])
        context, weights = self.attention(hidden, memory)
        features = torch.tanh(self.combine(torch.cat([context.to(hidden.dtype), hidden], -1)))
        logits = self.output(drop(features, dropouts.output, dropouts.locked))
        return DecoderOutput(logits, weights, DecoderState(layer_state, state.rows))

    def forward(
        self, features: Tensor, lengths: Lengths, tokens: Tokens, token_lengths: Lengths
    ) -> tuple[Logits, EncoderOutput]:
        """The logits (B, U, V) of what follows each of `tokens` (B, U), and the encoded recordings."""
        encoded = self.encode(features, lengths)
        return self.step(tokens, encoded.start, encoded, token_lengths)[0], encoded
