"""Generate text: predict each next token of a text, and continue a prompt. One-to-many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, final

import numpy
import torch
from pydantic import Field
from torch import nn

from seqloom.baselines.budget import UNLIMITED, Budget, describe_share
from seqloom.data.batching import Window
from seqloom.data.text.corpus import TextCorpus, read_chunks
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.decoding import (
    NO_TOKEN,
    DecodingOptions,
    decode,
    decode_native,
    prefill,
    stream,
    stream_native,
)
from seqloom.decoding.options import MAX_NEW_TOKENS
from seqloom.models.dropout import Dropouts
from seqloom.models.language_model import LanguageModel
from seqloom.settings import BeamCount, LayerCount, PositiveInt, Probability, StrictConfig
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Output, Rows, Task
from seqloom.tasks.generate.native_decoder import compiled_decoder
from seqloom.tasks.generate.preparation import TOKENIZER, DataConfig, Preparation
from seqloom.tasks.generate.toy_data import write_toy_data_files
from seqloom.tasks.model_config import RecurrentModelConfig
from seqloom.tasks.next_token import next_token_loss, perplexity
from seqloom.tasks.tracing import ForwardPass, StepOutputs, refuse_target

PREFILL_CHUNK = 1024
"""Tokens of a prompt read at once, which bounds memory; the output does not depend on it."""
MIN_BASELINE_TOKENS = 50_000
"""Tokens that the baseline counts, however short the training was: it takes a tenth of a second."""


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
    length_penalty: Annotated[float, Field(ge=-10, le=10)] = 1.0
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


@final
class Generate(Task):
    """Text in, a model that continues it out."""

    name = "generate"
    shape = "one-to-many"
    data_description = "plain text"
    reads = TextCorpus
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    DecodingConfig = DecodingConfig

    def accepts(self, data: Any) -> str | None:
        """Plain text."""
        return self.data_description if isinstance(data, TextCorpus) else None

    def pipeline_tag(self, preparation: Preparation) -> str:
        """Text generation."""
        return "text-generation"

    def prepare(self, data: TextCorpus, config: DataConfig) -> Preparation:
        """Fit the vocabulary to the training split."""
        texts = read_chunks(data.splits["train"])
        return Preparation(config.unit, Vocabulary.fit(config.unit, texts, config.vocabulary_size))

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read the vocabulary of a run folder."""
        return Preparation(config.unit, Vocabulary.load(folder / TOKENIZER))

    def build(self, preparation: Preparation, config: ModelConfig) -> LanguageModel:
        """A language model over the vocabulary."""
        hidden = config.hidden_size
        embedding = config.embedding_size or (hidden if config.tie_weights else min(hidden, 256))
        places = (config.input_dropout, config.hidden_dropout, config.output_dropout)
        dropouts = Dropouts(
            *(config.dropout if place is None else place for place in places),
            embedding=config.embedding_dropout,
        )
        recurrent = config.recurrent_config(dropouts)
        return LanguageModel(
            len(preparation.vocabulary),
            embedding,
            recurrent,
            config.tie_weights,
            config.ngram_context,
            config.ngram_buckets,
        )

    def loss(self, model: nn.Module, batch: Window, state: State | None, context: Context) -> Loss:
        """Categorical cross-entropy of each next token."""
        return next_token_loss(model, batch, state)

    def predict(self, model: LanguageModel, items: Sequence[list[int]], context: Context) -> list[Output]:
        """The continuation of each prompt."""
        rows = self.generate(model, items, DecodingOptions(**context.decoding.model_dump()))
        return [Output(context.preparation.vocabulary.decode(row)) for row in rows]

    def generate(
        self, model: LanguageModel, batch: Sequence[Sequence[int]], options: DecodingOptions
    ) -> list[list[int]]:
        """The tokens that continue each prompt of `batch`, rows of token numbers; stops left out."""
        logits, state = prefill(model.step, batch, None, chunk=PREFILL_CHUNK, device=model.device)
        decoder = compiled_decoder(model, options, len(batch))
        if decoder is not None:
            return decode_native(decoder, logits, state, options).rows()
        return decode(model.step, logits, state, options, previous=batch).rows()

    def stream(self, model: LanguageModel, prompt: Sequence[int], options: DecodingOptions) -> Iterator[int]:
        """The tokens that continue one prompt, as they are chosen, a stop at the end included.

        The compiled decoder chooses a few tokens at a time, which takes some milliseconds.
        """
        logits, state = prefill(model.step, [prompt], None, chunk=PREFILL_CHUNK, device=model.device)
        decoder = compiled_decoder(model, options, 1)
        if decoder is not None:
            for chunk in stream_native(decoder, logits, state, options):
                yield from (token for token in chunk[0].tolist() if token != NO_TOKEN)
            return
        for step in stream(model.step, logits, state, options, previous=[prompt]):
            if (token := int(step.tokens[0])) != NO_TOKEN:
                yield token

    def forward_pass(
        self, model: LanguageModel, value: str, item: list[int], context: Context, target: str | None = None
    ) -> ForwardPass:
        """The model reads a text, token by token."""
        del value
        refuse_target(self.name, target)
        steps = [context.preparation.vocabulary.decode([token]) for token in item]

        def run() -> None:
            model(torch.tensor([item], device=model.device))

        return ForwardPass(steps, run)

    def step_outputs(
        self, model: LanguageModel, item: list[int], context: Context, target: str | None = None
    ) -> StepOutputs:
        """The next token after each; from the first quarter on it also writes by itself."""
        refuse_target(self.name, target)
        vocabulary = context.preparation.vocabulary
        logits, _ = model(torch.tensor([item], device=model.device))
        told = max(len(item) // 4, 1)
        options = DecodingOptions(max_new_tokens=max(len(item) - told, 1), temperature=0.0)
        (free,) = self.generate(model, [item[:told]], options)
        names = [vocabulary.decode([token]) for token in range(len(vocabulary))]
        expected = [*item[1:], -1]
        return StepOutputs(
            [names[token] for token in item],
            names,
            logits[0].float().log_softmax(-1).cpu(),
            expected,
            free,
            told,
        )

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats and bits per unit; for words and byte pairs perplexity."""
        nats = rows.mean()
        scores = {f"loss_nats_per_{unit}": nats, f"bits_per_{unit}": nats / math.log(2)}
        if unit in ("word", "token"):
            scores["perplexity"] = perplexity(nats)
        return scores

    def baseline(
        self, preparation: Preparation, data: TextCorpus, split: str, budget: Budget = UNLIMITED
    ) -> Baseline | None:
        """A Kneser-Ney n-gram model of the training split, of 5 million tokens at most."""
        from seqloom.baselines.kneser_ney import MAX_TOKENS, NGram

        if split == "all":
            return None
        order = 6 if preparation.unit in ("character", "byte") else 5
        train = preparation.tokens(data, "train").ids
        test = preparation.tokens(data, split).ids[:MAX_TOKENS]

        def fit(count: int) -> numpy.ndarray:
            return NGram(train[-count:], len(preparation.vocabulary), order).nats(test)

        nats, fitted = budget.fit(fit, min(len(train), MAX_TOKENS), MIN_BASELINE_TOKENS)
        rows = Rows(nats, numpy.ones(len(nats), dtype=numpy.int8))
        fitted_on = describe_share(fitted, len(train), preparation.unit)
        return Baseline(f"{order}-gram (Kneser-Ney)", rows, fitted_on)

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Sentences of a small grammar."""
        return write_toy_data_files(folder, seed)
