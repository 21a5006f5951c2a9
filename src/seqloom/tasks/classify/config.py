"""The settings of `classify`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seqloom.data.text.vocabulary import Unit
from seqloom.layers.pooling import PoolingKind
from seqloom.settings import PositiveInt, Probability, StrictConfig, VocabularySize
from seqloom.tasks.inputs.config import FrontConfig, InputConfig
from seqloom.tasks.model_config import CellType, RecurrentModelConfig


class DataConfig(InputConfig):
    """The `data.*` keys."""

    unit: Unit = "word"
    """The unit of a token of a text: `word` (lowercase, punctuation apart), `character`, `byte` or `bpe`."""
    vocabulary_size: VocabularySize | None = None
    """Most tokens of the vocabulary. None: 50,000 words, 8,000 for bpe, all of them for character."""
    subwords: bool | None = None
    """Whether words have subword vectors too, for words unseen in training. None: if the unit is `word`."""
    vectors: str | None = None
    """Pretrained word vectors to start from, a file in the text format of GloVe or word2vec."""
    num_mels: Annotated[int, Field(ge=1, le=256)] = 40
    """Frequency bands of the log-mel features of recordings."""


class ModelConfig(FrontConfig, RecurrentModelConfig):
    """The `model.*` keys."""

    cell_type: CellType = "gru"
    bidirectional: bool = True
    """Whether the layers also read from the end to the start."""
    pooling: list[PoolingKind] = Field(default=["max", "mean"], min_length=1)
    """How the outputs of all steps become one vector: `last`, `mean`, `max`, `attention`; more than one are
    concatenated."""
    embedding_size: PositiveInt | None = None
    """Width of a token's vector. None: that of the pretrained vectors, or 128."""
    dropout: Probability = 0.3
    """At the input and between layers."""
    output_dropout: Probability | None = None
    """Of the pooled vector. None: `dropout`."""
    locked_dropout: bool = True
    word_dropout: Probability = 0.0
    """Share of a text's tokens that are read as unknown in training."""
    embedding_dropout: Probability = 0.0
    """Of whole words of the vocabulary, everywhere in a batch."""


class LossConfig(StrictConfig):
    """The `loss.*` keys."""

    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: in training every label has the same weight, however rare it is."""
    label_smoothing: Probability = 0.0
    """Share of a target's probability that goes to all labels alike in training."""


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Probability from which on a label is predicted, where rows may have any number of them."""
