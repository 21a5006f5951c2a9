"""The settings of `generate`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seqloom.data.text.vocabulary import Unit
from seqloom.decoding.options import MAX_NEW_TOKENS
from seqloom.settings import (
    BeamCount,
    LayerCount,
    LengthPenalty,
    PositiveInt,
    Probability,
    StrictConfig,
    VocabularySize,
)
from seqloom.tasks.model_config import RecurrentModelConfig


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    unit: Unit = "character"
    """The unit of a token: `character`, `byte`, `word` or `bpe`."""
    vocabulary_size: VocabularySize | None = None
    """Most tokens of the vocabulary. None: 8,000 for bpe, 50,000 for word, 20,000 for character."""


class ModelConfig(RecurrentModelConfig):
    """The `model.*` keys."""

    hidden_size: PositiveInt = 256
    num_layers: LayerCount = 2
    embedding_size: PositiveInt | None = None
    """None: `hidden_size` where the weights are tied, else the lesser of it and 256."""
    tie_weights: bool = False
    """Whether the output layer uses the embedding's matrix."""
    dropout: Probability = 0.1
    """At the input, between layers and at the output, unless the next three differ."""
    input_dropout: Probability | None = None
    """Of the embeddings. None: `dropout`."""
    hidden_dropout: Probability | None = None
    """Between layers. None: `dropout`."""
    output_dropout: Probability | None = None
    """Before the output layer. None: `dropout`."""
    embedding_dropout: Probability = 0.0
    """Of whole words."""
    locked_dropout: bool = True
    ngram_context: Annotated[int, Field(ge=0, le=16)] = 0
    """How many of the last tokens the prediction depends on directly, by a table of hashed n-grams that is
    trained with the recurrent layers; 0: none. With 5 a character model needs far less training."""
    ngram_buckets: Annotated[int, Field(ge=1)] = 1 << 16
    """Rows of that table, a power of two, each with a weight for every token of the vocabulary."""


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys: the fields of `DecodingOptions`, which checks them together."""

    num_beams: BeamCount = 1
    """1 samples; more search for the most likely text, with `temperature` 1 or 0."""
    length_penalty: LengthPenalty = 1.0
    """Of beam search: above 0 favors long texts."""
    temperature: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Divides the logits before sampling; 0 takes the most likely token."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Sample from the k most likely tokens; 0: from all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sample from the fewest tokens that have this probability together."""
    repetition_penalty: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Above 1 makes earlier tokens less likely."""
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] = 0
    """No n-gram of this size occurs twice; 0: allowed."""
    max_new_tokens: Annotated[int, Field(ge=1, le=MAX_NEW_TOKENS)] = 256
    """Tokens after which a text ends in any case."""
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    """Row r of a batch draws from the seed plus r."""
    precision: Literal["float32", "bfloat16", "int8"] = "float32"
    """Of the weights in the compiled decoder; the last two are faster and slightly less exact."""
