"""Generate text: predict each next token of a text, and continue a prompt. One-to-many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

import numpy
import torch
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
from seqloom.models.dropout import Dropouts
from seqloom.models.language_model import LanguageModel
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Output, Rows, Task
from seqloom.tasks.generate.config import DataConfig, DecodingConfig, ModelConfig
from seqloom.tasks.generate.native_decoder import compiled_decoder
from seqloom.tasks.generate.preparation import TOKENIZER, Preparation
from seqloom.tasks.generate.toy_data import write_toy_data_files
from seqloom.tasks.next_token import next_token_loss, perplexity
from seqloom.tasks.tracing import ForwardPass, StepOutputs, refuse_target

PREFILL_CHUNK = 1024
"""Tokens of a prompt read at once, which bounds memory; the output does not depend on it."""
MIN_BASELINE_TOKENS = 50_000
"""Tokens that the baseline counts, however short the training was: it takes a tenth of a second."""


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
