"""Translate: read a text, write it in another language. Many-to-many, unaligned: an encoder and a decoder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy
import torch
from torch import Tensor

from seqloom.baselines.budget import (
    UNLIMITED,
    Budget,
    describe_share,
    draw_sample,
    sizes_for_texts,
)
from seqloom.data.batching import IGNORE_INDEX
from seqloom.data.bucketing import map_by_length
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import Records, encode_examples
from seqloom.metrics import bleu
from seqloom.models.dropout import Dropouts
from seqloom.models.encoder_decoder import EncoderDecoder, EncoderOutput
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Metric, Output, Rows, Task, loss_score
from seqloom.tasks.next_token import perplexity, sum_target_nats
from seqloom.tasks.rows import accept_columns
from seqloom.tasks.seq2seq import attention_weights, decode_encoded, read_target, scheduled_sampling
from seqloom.tasks.tracing import ForwardPass, StepOutputs
from seqloom.tasks.translate.config import DataConfig, DecodingConfig, LossConfig, ModelConfig
from seqloom.tasks.translate.preparation import COLUMNS, EncodedText, PairBatch, Preparation, read_pair
from seqloom.tasks.translate.toy_data import write_toy_data_files
from seqloom.tasks.translate.vocabulary import END

MAX_LENGTH_FACTOR, MAX_EXTRA_TOKENS = 2, 10
"""A translation has at most twice the tokens of its source and ten more."""
MAX_WORST = 10


@torch.inference_mode()
def translate(
    model: EncoderDecoder, source: Tensor, lengths: Tensor, decoding: DecodingConfig
) -> tuple[EncoderOutput, list[list[int]]]:
    """The encoded sources (B, S), and the tokens of their translations."""
    encoded = model.encode(source, lengths)
    limits = MAX_LENGTH_FACTOR * lengths + MAX_EXTRA_TOKENS
    rows = decode_encoded(model, encoded, limits, END, decoding.num_beams, decoding.length_penalty)
    return encoded, rows


@final
class Translate(Task):
    """A text in one language in, its translation out."""

    name = "translate"
    shape = "many-to-many"
    data_description = "a table with columns source and target, or parallel texts"
    reads = Records
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    LossConfig = LossConfig
    DecodingConfig = DecodingConfig
    training_defaults = MappingProxyType({"batch_size": 64, "learning_rate": 1e-3})

    def accepts(self, data: Any) -> str | None:
        """Records with a source and a target."""
        return accept_columns(data, COLUMNS)

    def pipeline_tag(self, preparation: Preparation) -> str:
        """Translation."""
        return "translation"

    def prepare(self, data: Records, config: DataConfig) -> Preparation:
        """Fit a vocabulary to each language of the training split, or one to both."""
        data.require(*COLUMNS)
        pairs = encode_examples(data, "train", read_pair).items
        size, shared = config.vocabulary_size, config.shared_vocabulary
        return Preparation.fit(pairs, config.unit, size, shared, config.lowercase)

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read both vocabularies from a run folder."""
        return Preparation.load(folder, config.unit, config.lowercase)

    def build(self, preparation: Preparation, config: ModelConfig) -> EncoderDecoder:
        """A bidirectional encoder, and a decoder."""
        dropouts = Dropouts.of_units(config.dropout, config.embedding_dropout)
        return EncoderDecoder(
            (len(preparation.source_vocabulary), len(preparation.target_vocabulary)),
            config.embedding_size,
            config.recurrent_config(dropouts),
            config.decoder_layers,
            config.attention,
        )

    def loss(self, model: Any, batch: PairBatch, state: State | None, context: Context) -> Loss:
        """Cross-entropy of each target token given those before it; in training with label smoothing."""
        config = context.loss
        smoothing = config.label_smoothing if model.training else 0.0
        encoded = model.encode(batch.source, batch.source_lengths)
        inputs = batch.inputs
        if model.training and config.scheduled_sampling:
            probability = config.scheduled_sampling * context.progress
            inputs = scheduled_sampling(model, encoded, inputs, probability)
        units = (batch.targets != IGNORE_INDEX).sum(1)
        features = model.decode(inputs, encoded.start, encoded, units).features
        rows = torch.arange(len(units), device=units.device)
        return Loss(sum_target_nats(model, features, batch.targets, smoothing, rows, len(units)), units)

    def evaluate_batch(self, model: Any, batch: PairBatch, state: State | None, context: Context) -> Loss:
        """The loss, and the matches of the model's own translations for BLEU and chrF."""
        loss = self.loss(model, batch, state, context)
        _, rows = translate(model, batch.source, batch.source_lengths, context.decoding)
        texts = [context.preparation.target_vocabulary.decode(row) for row in rows]
        matches = bleu.count_matches(
            texts, [target for _, target in batch.texts], context.preparation.lowercase
        )
        outputs = [
            {"source": source, "target": target, "translation": text}
            for (source, target), text in zip(batch.texts, texts, strict=True)
        ]
        counts = {name: torch.from_numpy(values).to(loss.nats.device) for name, values in matches.items()}
        return loss._replace(counts=counts, outputs=outputs)

    def predict(self, model: Any, items: Sequence[EncodedText], context: Context) -> list[Output]:
        """Translations; on request with the attention weights, a row for each token of the translation."""

        def run(sources: list[EncodedText]) -> list[Output]:
            numbers = [text.numbers for text in sources]
            source, lengths = pad(numbers, END).to(model.device), lengths_of(numbers).to(model.device)
            encoded, rows = translate(model, source, lengths, context.decoding)
            details = [self._details(context, *pair) for pair in zip(sources, rows, strict=True)]
            if context.decoding.attention and model.attention is not None:
                weights = attention_weights(model, encoded, rows, lengths.tolist(), END)
                for detail, matrix in zip(details, weights, strict=True):
                    detail["attention"] = matrix
            return [Output(detail["translation"], detail) for detail in details]

        return map_by_length(items, [len(item.numbers) for item in items], run)

    def _details(self, context: Context, source: EncodedText, row: list[int]) -> dict[str, Any]:
        preparation: Preparation = context.preparation
        return {
            "source": source.text,
            "translation": preparation.target_vocabulary.decode(row),
            "source_tokens": preparation.source_vocabulary.words(source.numbers),
            "tokens": preparation.target_vocabulary.words([*row, END]),
        }

    def forward_pass(
        self, model: Any, value: Any, item: EncodedText, context: Context, target: str | None = None
    ) -> ForwardPass:
        """The encoder reads a text; the decoder what it writes itself, greedily, or a target."""
        del value
        preparation: Preparation = context.preparation
        source, lengths = pad([item.numbers], END).to(model.device), lengths_of([item.numbers])
        if target is None:
            greedy = context.decoding.model_copy(update={"num_beams": 1})
            row = translate(model, source, lengths.to(model.device), greedy)[1][0]
        else:
            row = preparation.encode_target(target).numbers[:-1].tolist()

        def run() -> Tensor | None:
            encoded = model.encode(source, lengths.to(model.device))
            return read_target(model, encoded, [END, *row])

        steps = preparation.source_vocabulary.words(item.numbers)
        return ForwardPass(steps, run, preparation.target_vocabulary.words([END, *row]))

    def step_outputs(
        self, model: Any, item: EncodedText, context: Context, target: str | None = None
    ) -> StepOutputs:
        """The next token of a target after each; of what the model writes itself without one."""
        preparation: Preparation = context.preparation
        source, lengths = pad([item.numbers], END).to(model.device), lengths_of([item.numbers])
        encoded = model.encode(source, lengths.to(model.device))
        greedy = context.decoding.model_copy(update={"num_beams": 1})
        free = [*translate(model, source, lengths.to(model.device), greedy)[1][0], END]
        row = free if target is None else preparation.encode_target(target).numbers.tolist()
        inputs = torch.tensor([[END, *row[:-1]]], device=model.device)
        scores = model.logits(model.decode(inputs, encoded.start, encoded).features)[0]
        words = preparation.target_vocabulary.words
        names = words(list(range(scores.shape[-1])))
        return StepOutputs(words([END, *row[:-1]]), names, scores.float().log_softmax(-1).cpu(), row, free, 0)

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats and perplexity of a token, and BLEU and chrF of decoded translations."""
        scores = loss_score(rows, unit)
        if scores:
            scores["perplexity"] = perplexity(rows.mean())
        if "bleu" in rows.counts:
            scores |= bleu.scores({name: rows.total(name) for name in bleu.METRICS})
        return scores

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """BLEU."""
        return Metric("bleu", higher_is_better=True)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """Sacrebleu's signatures, and the ten translations with the lowest chrF."""
        details: dict[str, Any] = dict(bleu.signatures(bool(rows.counts["lowercase"].any())))
        if rows.outputs:
            chrf = bleu.sentence_chrf(rows.counts["chrf"])
            worst = [number for number in chrf.argsort(kind="stable")[:MAX_WORST] if chrf[number] < 100]
            details["worst_translations"] = [rows.outputs[number] for number in worst]
        return details

    def baseline(
        self, preparation: Preparation, data: Records, split: str, budget: Budget = UNLIMITED
    ) -> Baseline | None:
        """A translation memory: the target of the training pair with the most similar source."""
        from seqloom.baselines.nearest_neighbor import nearest_neighbors

        if split == "all":
            return None
        train, test = (encode_examples(data, name, read_pair).items for name in ("train", split))
        sources = [source for source, _ in test]

        def fit(count: int) -> list[str]:
            pairs = list(draw_sample(len(train), count).of(train))
            neighbors = nearest_neighbors([source for source, _ in pairs], sources)
            return [pairs[number][1] for number in neighbors]

        texts, fitted = budget.fit(fit, *sizes_for_texts((source for source, _ in train), len(train)))
        counts = bleu.count_matches(texts, [target for _, target in test], preparation.lowercase)
        rows = Rows(numpy.full(len(test), math.nan), numpy.ones(len(test)), counts)
        return Baseline("translation memory", rows, describe_share(fitted, len(train), "row"))

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Pairs of English and a made-up language."""
        return write_toy_data_files(folder, seed)
