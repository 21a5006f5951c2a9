"""The 34 claims, in the chapter's order; the sentences are ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from seqloom.inspection.claims.claim import Claim
from seqloom.inspection.claims.statements import (
    directions,
    gates,
    gradients,
    long_lags,
    recurrence,
    speed,
    tasks,
    writing,
)

_CLAIMS = (
    Claim(
        1,
        "A sequence model takes or gives sequences of data.",
        tasks.reads_or_writes_sequences,
        is_thing=True,
    ),
    Claim(
        2,
        "Text, audio clips, time series, video clips and weather are sequences.",
        tasks.reads_five_kinds,
        is_thing=True,
    ),
    Claim(
        3,
        "An RNN's output depends on what came before; a feed-forward net's outputs are independent.",
        recurrence.depends_on_the_past,
    ),
    Claim(4, "An RNN uses the same parameters at every time step.", recurrence.shares_parameters),
    Claim(
        5,
        "There are four shapes: one-to-one, one-to-many, many-to-one, many-to-many.",
        tasks.has_four_shapes,
        is_thing=True,
    ),
    Claim(6, "Image captioning is one-to-many.", tasks.captions, is_thing=True),
    Claim(7, "Sentiment analysis is many-to-one.", tasks.classifies, is_thing=True),
    Claim(8, "Machine translation is many-to-many.", tasks.translates, is_thing=True),
    Claim(9, "Music generation is one-to-many.", tasks.composes, is_thing=True),
    Claim(
        10,
        "An RNN is slow to compute, and its memory is short.",
        recurrence.is_slow_and_forgets,
        half_true=True,
    ),
    Claim(
        11,
        "Gradients vanish in backpropagation through time, so that learning stops.",
        gradients.vanishes,
        half_true=True,
    ),
    Claim(
        12,
        "Factors below 1, multiplied along the chain rule, shrink a gradient exponentially.",
        gradients.shrinks_exponentially,
        half_true=True,
    ),
    Claim(13, "Gradients explode, so that training breaks.", gradients.explodes, half_true=True),
    Claim(
        14,
        "Factors above 1 make a gradient grow exponentially.",
        gradients.grows_exponentially,
        half_true=True,
    ),
    Claim(15, "An LSTM prevents both.", long_lags.lstm_learns, half_true=True),
    Claim(
        16,
        "What makes the difference is a memory cell that holds information for long.",
        long_lags.cell_holds,
        half_true=True,
    ),
    Claim(17, "An LSTM has four interacting layers.", gates.has_four_layers, is_thing=True),
    Claim(18, "Three of them are gates: input, forget and output.", gates.has_three_gates, is_thing=True),
    Claim(19, "The forget gate controls what leaves the cell.", gates.forget_gate_controls),
    Claim(20, "The input gate controls what enters the cell.", gates.input_gate_controls),
    Claim(21, "The output gate controls what is shown of the cell.", gates.output_gate_controls),
    Claim(
        22,
        "LSTMs translate, recognize speech, predict time series, write music and analyze sentiment.",
        tasks.lstm_has_applications,
        is_thing=True,
    ),
    Claim(23, "A GRU has two gates: update and reset.", gates.gru_has_two_gates, is_thing=True),
    Claim(
        24,
        "A GRU has no separate cell state: the hidden state is all that it carries.",
        gates.gru_has_no_cell,
    ),
    Claim(25, "A GRU is simpler, and so it trains faster than an LSTM.", speed.gru_is_faster, half_true=True),
    Claim(26, "A GRU solves the vanishing gradient too.", long_lags.gru_learns, half_true=True),
    Claim(
        27,
        "A bidirectional RNN reads from left to right and from right to left.",
        recurrence.reads_both_ways,
        is_thing=True,
    ),
    Claim(
        28,
        "Both directions are useful where both give context, as in sentiment and speech.",
        directions.both_directions_help,
        half_true=True,
    ),
    Claim(
        29,
        "In captioning a CNN encodes the picture, and an RNN, LSTM or Transformer writes the text.",
        writing.has_three_decoders,
        is_thing=True,
    ),
    Claim(
        30,
        "The encoder, a CNN such as ResNet, extracts visual features.",
        writing.encoder_extracts_features,
        is_thing=True,
    ),
    Claim(31, "The decoder writes the caption word by word.", writing.decoder_writes_words, is_thing=True),
    Claim(
        32,
        "An LSTM generates text: predict the next character or word, append it, repeat.",
        writing.generates_text,
        is_thing=True,
    ),
    Claim(33, "Its loss is categorical cross-entropy.", writing.loss_is_cross_entropy),
    Claim(34, "What it predicts becomes part of its next input.", writing.output_becomes_input),
)

CLAIMS: Mapping[int, Claim] = MappingProxyType({claim.number: claim for claim in _CLAIMS})
"""Every claim by its number"""
