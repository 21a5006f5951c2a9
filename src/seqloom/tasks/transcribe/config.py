"""The settings of `transcribe`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seqloom.settings import BeamCount, LayerCount, LengthPenalty, PositiveInt, Probability, StrictConfig
from seqloom.tasks.inputs.config import FrontConfig, InputConfig
from seqloom.tasks.model_config import RecurrentModelConfig
from seqloom.tasks.transcribe.preparation import TranscriptUnit


class DataConfig(InputConfig):
    """The `data.*` keys."""

    unit: TranscriptUnit = "character"
    """The unit of a symbol: `character` or `word`."""
    stacked_frames: PositiveInt = 3
    """Frames that make one step of the model."""
    normalization: Literal["global", "speaker"] = "global"
    """`global`: over all recordings. `speaker`: over those of each speaker, by a column `speaker`."""
    spec_augment: bool = True
    """Whether stretches of time and bands of frequency are masked in training (SpecAugment)."""


class ModelConfig(FrontConfig, RecurrentModelConfig):
    """The `model.*` keys."""

    hidden_size: PositiveInt = 200
    num_layers: LayerCount = 2
    bidirectional: bool = True
    """Needs whole recordings; a model of one direction can transcribe a stream."""
    dropout: Probability = 0.3
    """Between the layers and before the output."""
    decoder: Literal["ctc", "attention"] = "ctc"
    """`attention` writes symbol by symbol and attends to the whole recording."""


class LossConfig(StrictConfig):
    """The `loss.*` keys."""

    ctc_weight: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Weight of CTC in training an attention decoder, which aligns sound and text."""


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys."""

    num_beams: BeamCount = 1
    """1 takes the most likely symbol at every step; more search for the most likely text."""
    language_model: str | None = None
    """A language model for the search: `ngram`, of the training transcripts; or the run folder of a trained
    one, with tokens of the same unit. A run whose configuration names a folder outside it does not open it:
    name it again."""
    lm_weight: Annotated[float, Field(ge=0)] = 0.3
    """Weight of the language model's log-probability."""
    length_bonus: float = 0.0
    """Nats for each symbol, against a language model's preference for short texts."""
    length_penalty: LengthPenalty = 1.0
    """Of an attention decoder's beam search: above 0 favors long texts."""
