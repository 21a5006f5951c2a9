r"""Many-to-many, unaligned, by attention: sound is heard whole, then a text written that looks back at it.

.. math::

    m_1 \dots m_T &= \mathrm{recurrence}(x_1 \dots x_T) \\
    h_u, s_u &= \mathrm{decoder}(E[y_{u-1}], s_{u-1}) \\
    c_u &= \mathrm{attention}(h_u, m) \\
    p(y_u | y_{<u}, x) &= \mathrm{softmax}(W \tanh(U [c_u; h_u]) + b)

Listen, attend and spell (Chan et al. 2016, arXiv:1508.01211), without their pyramid: frames are stacked
before. The encoder keeps the output layer of connectionist temporal classification, whose loss teaches it
that sound and text run side by side (Watanabe et al. 2017, "Hybrid CTC/attention architecture").
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.layers.attention import Attention, Memory, Score
from seqloom.layers.masking import Lengths
from seqloom.models.ctc_transcriber import Transcriber
from seqloom.models.dropout import Dropouts, drop
from seqloom.models.language_model import LAYERS
from seqloom.models.sequence_classifier import Recurrence
from seqloom.shapes import Logits, Tokens
from seqloom.state import State


class DecoderState(NamedTuple):
    """Where the decoder is: the state of its layer, and (1, B) of which recording each row is the text."""

    layer: State
    rows: Tensor


class EncodedAudio(NamedTuple):
    """A batch of recordings, heard.

    Fields:
        memory: what the decoder attends to.
        start: what the decoder starts from.
        logits: (B, T, V), those of the encoder's own output layer.
    """

    memory: Memory
    start: DecoderState
    logits: Logits


@final
class AttentionTranscriber(nn.Module):
    """Steps of features to a text, symbol by symbol. Number 0 begins and ends it.

    Args:
        input_size: F, features of a step.
        output_size: V, symbols there are, number 0 among them.
        recurrence: the encoder's layers; the decoder has one layer of the same cell, as wide as their output.
        dropouts: where and how much is dropped in training.
        score: how attention scores: `additive`, `multiplicative` or `dot`.

    Raises:
        ConfigError: an argument out of its range.

    >>> model = AttentionTranscriber(input_size=8, output_size=5, recurrence=Recurrence("gru", 16))
    >>> heard = model.encode(torch.randn(2, 7, 8), torch.tensor([7, 4]))
    >>> logits, state = model.step(torch.tensor([[0, 3], [0, 1]]), heard.start, heard)
    >>> logits.shape
    torch.Size([2, 2, 5])
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        recurrence: Recurrence,
        dropouts: Dropouts = Dropouts(),
        score: Score = "additive",
    ) -> None:
        super().__init__()
        self.encoder = Transcriber(input_size, output_size, recurrence, dropouts)
        width = self.encoder.encoded_size
        self.embedding = nn.Embedding(output_size, width)
        self.decoder = LAYERS[recurrence.cell_type](width, width, kernel=recurrence.kernel)
        self.attention = Attention(score, width, width)
        self.combine = nn.Linear(2 * width, width)
        self.output = nn.Linear(width, output_size)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.output.weight.device

    def encode(self, features: Tensor, lengths: Lengths = None) -> EncodedAudio:
        """Hear whole recordings (B, T, F), of whose steps `lengths` (B,) are real; None: all."""
        B, T = features.shape[:2]
        values = self.encoder.encode(features, lengths)
        real = torch.full((B,), T) if lengths is None else torch.as_tensor(lengths)
        rows = torch.arange(B, device=features.device).unsqueeze(0)
        start = self.decoder.initial_state(B)
        memory = self.attention.remember(values, real)
        return EncodedAudio(memory, DecoderState(start, rows), self.encoder.output(values))

    def step(
        self, tokens: Tokens, state: DecoderState, encoded: EncodedAudio, lengths: Lengths = None
    ) -> tuple[Logits, DecoderState]:
        """Read `tokens` (B, U) on from `state`: logits of what follows each (B, U, V), and the state then.

        Args:
            tokens: of each row; a text begins with 0.
            state: `encoded.start`, or what the call before gave.
            encoded: the recordings.
            lengths: (B,) the real tokens of each row; None: all.
        """
        drops = self.encoder.dropouts if self.training else Dropouts()
        values = drop(nn.functional.embedding(tokens.t(), self.embedding.weight), drops.hidden, drops.locked)
        values, after = self.decoder(values, state.layer, lengths=lengths)
        hidden = values.transpose(0, 1)
        # While every row has its own memory, as in training, nothing is copied.
        unmoved = state.rows is encoded.start.rows
        memory = encoded.memory if unmoved else encoded.memory.rows(state.rows[0])
        context, _ = self.attention(hidden, memory)
        features = torch.tanh(self.combine(torch.cat([context.to(hidden.dtype), hidden], -1)))
        logits = self.output(drop(features, drops.output, drops.locked))
        return logits, DecoderState(after, state.rows)

    def forward(
        self, features: Tensor, lengths: Lengths, tokens: Tokens, token_lengths: Lengths
    ) -> tuple[Logits, EncodedAudio]:
        """Logits (B, U, V) of what follows each of `tokens` (B, U), and the recordings as they were heard."""
        heard = self.encode(features, lengths)
        return self.step(tokens, heard.start, heard, token_lengths)[0], heard
