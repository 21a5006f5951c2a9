"""The settings of `translate`."""

from __future__ import annotations

from typing import Literal

from seqloom.models.encoder_decoder import AttentionType
from seqloom.settings import (
    BeamCount,
    LayerCount,
    LengthPenalty,
    PositiveInt,
    Probability,
    StrictConfig,
    VocabularySize,
)
from seqloom.tasks.model_config import CellType, RecurrentModelConfig


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    unit: Literal["bpe", "word", "character"] = "bpe"
    """The unit of a token."""
    vocabulary_size: VocabularySize | None = None
    """Most tokens of a vocabulary. None: 8,000 for bpe, 50,000 for word, all of them for character."""
    shared_vocabulary: bool = False
    """Whether both languages have one tokenizer, which splits names and common words alike."""
    lowercase: bool = False
    """Whether texts are read, written and scored in lowercase."""


class ModelConfig(RecurrentModelConfig):
    """The `model.*` keys."""

    cell_type: CellType = "gru"
    hidden_size: PositiveInt = 256
    """Hidden units of the encoder in each direction; the decoder has twice as many."""
    num_layers: LayerCount = 2
    """Layers of the encoder."""
    decoder_layers: LayerCount = 1
    """Layers of the decoder."""
    embedding_size: PositiveInt = 256
    """Width of a token's vector, in both languages."""
    attention: AttentionType = "dot"
    """`additive`, `multiplicative`, `dot` or `none`."""
    dropout: Probability = 0.3
    embedding_dropout: Probability = 0.0
    """Of whole words."""


class LossConfig(StrictConfig):
    """The `loss.*` keys."""

    label_smoothing: Probability = 0.1
    """Share of a target's probability that goes to all tokens alike in training."""
    scheduled_sampling: Probability = 0.0
    """Share of the decoder's inputs that are its own predictions in training, growing from 0 to this."""


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys."""

    num_beams: BeamCount = 1
    """1 takes the most likely token at every step; more search for the most likely translation."""
    length_penalty: LengthPenalty = 1.0
    """Of beam search: above 0 favors long translations."""
    attention: bool = False
    """Whether predictions come with the attention weights."""
