"""The settings of `caption`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from seqloom.cells.spec import CELL_TYPES
from seqloom.data.images.config import ImageConfig, Pixels
from seqloom.errors import nearest
from seqloom.models.captioning.memory import CaptionAttention
from seqloom.settings import BeamCount, LengthPenalty, PositiveInt, Probability, StrictConfig
from seqloom.tasks.model_config import RecurrentModelConfig

TRANSFORMER = "transformer"
AUTO, SMALL, LARGE = "auto", "small-cnn", "efficientnet-lite0"


def _check_decoder(name: str) -> str:
    if name not in (*CELL_TYPES, TRANSFORMER):
        hint = nearest(name, (*CELL_TYPES, TRANSFORMER))
        raise PydanticCustomError("cell_type", "must be the name of a cell, or transformer", {"hint": hint})
    return name


DecoderType: TypeAlias = Annotated[str, AfterValidator(_check_decoder)]
"""A name in `seqloom.layers.recurrent.CELL_TYPES`, or `transformer`."""


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    encoder: str = AUTO
    """What turns a picture into a map of features. Pretrained and frozen: `efficientnet-lite0`,
    `squeezenet1_1`, or a ResNet of transformers, by its name on the hub or its folder; or `small-cnn`,
    trained from scratch. `auto`: `small-cnn` for pictures below 64 pixels, else `efficientnet-lite0`."""
    encoder_weights: str | None = None
    """The safetensors file with the weights of `squeezenet1_1`."""
    image_size: Pixels | None = None
    """Height and width in pixels that pictures are resized to. None: those that a pretrained encoder was
    trained with; else those of the first training picture, at most 64."""
    image_crop: Literal["center", "none"] = "center"
    """What is used of a picture: `center`, the largest part around the middle with the proportions that are
    read; `none`, all of it, stretched."""
    mirrored_images: bool = True
    """Whether half of the pictures are mirrored in training; not where captions say left and right."""
    min_count: PositiveInt = 5
    """How often a word must occur in the training captions to be written."""

    def resolve_encoder(self, is_small: bool) -> str:
        """The encoder, for pictures that are small or not."""
        return (SMALL if is_small else LARGE) if self.encoder == AUTO else self.encoder

    def image_config(self) -> ImageConfig:
        """These settings for a pretrained encoder."""
        return ImageConfig(
            encoder=self.resolve_encoder(is_small=False),
            encoder_weights=self.encoder_weights,
            image_size=self.image_size,
            image_crop=self.image_crop,
        )


class ModelConfig(RecurrentModelConfig):
    """The `model.*` keys."""

    cell_type: DecoderType = "lstm"
    """The decoder: `rnn`, `lstm`, `gru`, or `transformer`, whose options are width, layers and dropout."""
    hidden_size: PositiveInt = 512
    """Hidden units of a layer; the width of a Transformer."""
    embedding_size: PositiveInt = 300
    """Width of a word's vector; a Transformer's is `hidden_size`."""
    attention: CaptionAttention = "soft"
    """`soft`: over the places of a picture; `adaptive`: or over none of them; `none`: over the picture as a
    whole."""
    dropout: Probability = 0.5
    embedding_dropout: Probability = 0.0
    """Of whole words."""


class LossConfig(StrictConfig):
    """The `loss.*` keys."""

    label_smoothing: Probability = 0.0
    """Share of a word's probability that goes to all words alike in training."""
    self_critical: Probability = 0.0
    """Share of the training, at its end, in which the loss is no longer cross-entropy but minus the expected
    CIDEr-D of captions that the model draws (self-critical training)."""
    self_critical_samples: Annotated[int, Field(ge=2, le=100)] = 5
    """Captions drawn of each picture in self-critical training."""


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys."""

    num_beams: BeamCount = 1
    """1 takes the most likely word at every step; more search for the most likely caption."""
    length_penalty: LengthPenalty = 1.0
    """Of beam search: above 0 favors long captions."""
    max_words: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Most words of a caption."""
    attention: bool = False
    """Whether predictions come with what each word looked at."""
