"""The settings of `tag`."""

from __future__ import annotations

from seqloom.settings import PositiveInt, Probability, StrictConfig, VocabularySize
from seqloom.tasks.model_config import RecurrentModelConfig


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    lowercase: bool = False
    """Whether words are looked up in lowercase; their spelling is read as it is."""
    spelling: bool = True
    """Whether the characters of each word are read too."""
    vocabulary_size: VocabularySize | None = None
    """Most words of the vocabulary, the unknown one included. None: all of training."""


class ModelConfig(RecurrentModelConfig):
    """The `model.*` keys."""

    bidirectional: bool = True
    """Whether a tag depends on the tokens after it too."""
    crf: bool = True
    """Whether a conditional random field scores the tags of a sentence together."""
    embedding_size: PositiveInt = 100
    """Width of a word's vector."""
    spelling_size: PositiveInt = 25
    """Hidden units of the LSTM over a word's characters, in each direction."""
    dropout: Probability = 0.3
    locked_dropout: bool = True
    rare_word_dropout: Probability = 0.5
    """Probability of reading a word that training has once as unknown, which trains the unknown word."""
