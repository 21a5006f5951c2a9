"""Generate text: read a prompt, predict what comes next, append it, repeat. One-to-many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, final

import numpy
from pydantic import Field
from torch import nn

from seqloom.baselines.kneser_ney import MAX_TOKENS, NGram
from seqloom.data.batching import IGNORE_INDEX, EvaluationStreams, Source, TokenStreams, Window
from seqloom.data.text.corpus import FileSpan, TextCorpus, read_chunks
from seqloom.data.text.token_cache import TokenArray, tokenize
from seqloom.data.text.vocabulary import Unit, Vocabulary
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
from seqloom.models.language_model import CellType, LanguageModel
from seqloom.settings import PositiveInt, Probability, StrictConfig
from seqloom.state import State
from seqloom.tasks.base import Baseline, Batching, Context, Loss, Metric, Output, Rows
from seqloom.tasks.generate.native_decoder import compiled_decoder
from seqloom.tasks.generate.toy_data import write_toy_data_files

TOKENIZER = "tokenizer.json"
NO_PROMPT = "\n"
"""What a text is begun with where there is no prompt."""
PREFILL_CHUNK = 1024
"""TokenArray of a prompt read at once, which bounds memory; what comes out does not depend on it."""


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    unit: Unit = "character"
    """What a token is: `character`, `byte`, `word` or `bpe`."""
    vocabulary_size: Annotated[int, Field(ge=2)] | None = None
    """The most tokens. None: 8,000 for bpe, 50,000 for word, all of them for character."""


class ModelConfig(StrictConfig):
    """The `model.*` keys."""

    cell_type: CellType = "lstm"
    hidden_size: PositiveInt = 256
    num_layers: PositiveInt = 2
    embedding_size: PositiveInt | None = None
    """None: `hidden_size` where the weights are tied, else the lesser of it and 256."""
    tie_weights: bool = False
    dropout: Probability = 0.1
    """At the input, between the layers and at the output, where the next three do not say otherwise."""
    input_dropout: Probability | None = None
    hidden_dropout: Probability | None = None
    output_dropout: Probability | None = None
    embedding_dropout: Probability = 0.0
    """Of whole words."""
    weight_dropout: Probability = 0.0
    """Of recurrent weights."""
    recurrent_dropout: Probability = 0.0
    """Of units of the state, one mask for a window."""
    locked_dropout: bool = True
    """One mask for all steps of a window (variational dropout)."""
    kernel: Literal["auto", "reference", "torch", "native"] = "auto"


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys: none; how to write is said when writing, by `DecodingOptions`."""


@final
class Preparation:
    """A vocabulary, and what one of its tokens is.

    Args:
        unit: what a token is.
        vocabulary: its tokens.
    """

    def __init__(self, unit: Unit, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.column = "text"
        self.unit = "token" if unit == "bpe" else unit
        self._tokens: dict[tuple[FileSpan, ...], TokenArray] = {}

    def files(self) -> dict[str, str]:
        """`tokenizer.json`, which transformers reads too."""
        return {TOKENIZER: self.vocabulary.to_json()}

    def describe(self) -> str:
        """For example `66 characters`."""
        return f"{len(self.vocabulary):,} {self.unit}s"

    def tokens(self, data: TextCorpus, split: str) -> TokenArray:
        """A split, encoded once; `all` is the whole text."""
        parts = data.all_spans() if split == "all" else data.splits[split]
        if parts not in self._tokens:
            self._tokens[parts] = tokenize(parts, self.vocabulary)
        return self._tokens[parts]

    def source(self, data: TextCorpus, split: str, batching: Batching) -> Source:
        """TokenStreams side by side: to learn from, or to read every token once."""
        tokens = self.tokens(data, split)
        if batching.training:
            return TokenStreams(tokens, batching.batch_size, batching.window, batching.seed, batching.shard)
        return EvaluationStreams(tokens, batching.batch_size, batching.window, batching.shard)

    def encode(self, value: str) -> list[int]:
        """A prompt; without one, a new line."""
        return self.vocabulary.encode(value) or self.vocabulary.encode(NO_PROMPT)


@final
class Generate:
    """Text in, a model that writes out."""

    name = "generate"
    shape = "one-to-many"
    data_description = "plain text"
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    DecodingConfig = DecodingConfig
    training_defaults: Mapping[str, Any] = MappingProxyType({})

    def accepts(self, data: Any) -> str | None:
        """Plain text."""
        return "plain text" if isinstance(data, TextCorpus) else None

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
        return LanguageModel(
            vocabulary_size=len(preparation.vocabulary),
            embedding_size=embedding,
            hidden_size=hidden,
            num_layers=config.num_layers,
            cell_type=config.cell_type,
            tie_weights=config.tie_weights,
            dropouts=Dropouts(
                *(config.dropout if place is None else place for place in places),
                embedding=config.embedding_dropout,
                weight=config.weight_dropout,
                recurrent=config.recurrent_dropout,
                locked=config.locked_dropout,
            ),
            kernel=config.kernel,
        )

    def loss(self, model: nn.Module, batch: Window, state: State | None, context: Context) -> Loss:
        """Categorical cross-entropy of each next token."""
        logits, state = model(batch.inputs, state)
        targets = batch.targets
        # The model works time-first; flattened in that order nothing is copied.
        nats = nn.functional.cross_entropy(
            logits.transpose(0, 1).flatten(0, 1).float(),
            targets.t().flatten(),
            reduction="none",
            ignore_index=IGNORE_INDEX,
        )
        return Loss(nats.view(targets.shape[::-1]).sum(0), (targets != IGNORE_INDEX).sum(1), state)

    evaluate_batch = loss

    def predict(self, model: LanguageModel, items: Sequence[list[int]], context: Context) -> list[Output]:
        """Write on after each prompt, as the defaults of `DecodingOptions` say."""
        rows = self.generate(model, items, DecodingOptions())
        return [Output(context.preparation.vocabulary.decode(row)) for row in rows]

    def generate(
        self, model: LanguageModel, batch: Sequence[Sequence[int]], options: DecodingOptions
    ) -> list[list[int]]:
        """Write on after each prompt of `batch`, rows of token numbers; what is written, stops left out."""
        logits, state = prefill(model.step, batch, None, chunk=PREFILL_CHUNK, device=model.device)
        decoder = compiled_decoder(model, options, len(batch))
        if decoder is not None:
            return decode_native(decoder, logits, state, options).rows()
        return decode(model.step, logits, state, options, previous=batch).rows()

    def stream(self, model: LanguageModel, prompt: Sequence[int], options: DecodingOptions) -> Iterator[int]:
        """The same for one prompt, token by token, as they are chosen; a stop at the end is given too.

        The compiled decoder chooses some tokens at a time, which takes some milliseconds.
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

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats and bits of a unit; for words and byte pairs their perplexity."""
        nats = rows.mean()
        scores = {f"loss_nats_per_{unit}": nats, f"bits_per_{unit}": nats / math.log(2)}
        if unit in ("word", "token"):
            scores["perplexity"] = math.exp(min(nats, 700))
        return scores

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """The loss."""
        return Metric(next(iter(scores)), higher_is_better=False)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """None."""
        return {}

    def baseline(self, preparation: Preparation, data: TextCorpus, split: str) -> Baseline | None:
        """A Kneser-Ney n-gram model of the training split; of long texts, 5 million tokens."""
        if split == "all":
            return None
        order = 6 if preparation.unit in ("character", "byte") else 5
        counted = preparation.tokens(data, "train").ids
        model = NGram(counted, len(preparation.vocabulary), order)
        nats = model.nats(preparation.tokens(data, split).ids[:MAX_TOKENS])
        blocks = numpy.arange(0, len(nats), 256)
        counts = numpy.diff(numpy.append(blocks, len(nats)))
        return Baseline(f"{order}-gram (Kneser-Ney)", Rows(numpy.add.reduceat(nats, blocks), counts))

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Sentences of a small grammar."""
        return write_toy_data_files(folder, seed)
