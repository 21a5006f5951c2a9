"""Translate: read a text, write it in another language. Many-to-many, unaligned: an encoder and a decoder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, final

import numpy
import torch
from pydantic import Field
from torch import Tensor

from seqloom.baselines.nearest_neighbor import nearest
from seqloom.data.batching import IGNORE_INDEX
from seqloom.data.bucketing import map_by_length
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import Records, encode_examples
from seqloom.metrics import bleu
from seqloom.models.dropout import Dropouts
from seqloom.models.encoder_decoder import AttentionType, CellType, EncodedSource, EncoderDecoder
from seqloom.settings import PositiveInt, Probability, StrictConfig
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Metric, Output, Rows, loss_score
from seqloom.tasks.seq2seq import attention_of, mix_guesses, write
from seqloom.tasks.translate.preparation import SIDES, Pairs, Preparation, Sentence, texts_of
from seqloom.tasks.translate.toy_data import write_toy_data_files
from seqloom.tasks.translate.vocabulary import END

MOST_TOKENS = (2, 10)
"""A translation has at most twice the tokens of its source and ten more."""
WORST = 10


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    unit: Literal["bpe", "word", "character"] = "bpe"
    """What a token is."""
    vocabulary_size: Annotated[int, Field(ge=2)] | None = None
    """The most tokens. None: 8,000 for bpe, 50,000 for word, all of them for character."""
    shared_vocabulary: bool = False
    """Both languages are cut by one vocabulary: names and words that they share are then cut alike."""
    lowercase: bool = False
    """TextInput are read, written and scored in small letters."""


class ModelConfig(StrictConfig):
    """The `model.*` keys."""

    cell_type: CellType = "gru"
    hidden_size: PositiveInt = 256
    """Of the encoder in each direction; the decoder has twice as many."""
    num_layers: PositiveInt = 2
    """Of the encoder."""
    decoder_layers: PositiveInt = 1
    embedding_size: PositiveInt = 256
    attention: AttentionType = "dot"
    """`additive`, `multiplicative`, `dot` or `none`."""
    dropout: Probability = 0.3
    """At the inputs, between the layers and before the output."""
    locked_dropout: bool = False
    """One mask for all steps of a sequence (variational dropout)."""
    embedding_dropout: Probability = 0.0
    """Of whole words."""
    weight_dropout: Probability = 0.0
    """Of recurrent weights."""
    label_smoothing: Probability = 0.1
    """In training, the share of a target's probability that goes to all tokens alike."""
    scheduled_sampling: Probability = 0.0
    """In training, the share of the decoder's inputs that are its own guesses, growing from 0 to this."""


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys."""

    num_beams: PositiveInt = 1
    """1 takes the likeliest token at every step; more search for the likeliest translation."""
    length_penalty: Annotated[float, Field(ge=-10, le=10)] = 1.0
    """Of beam search: above 0 favors long translations."""
    attention: bool = False
    """Whether predictions come with the weights of attention."""


@torch.inference_mode()
def translate(
    model: EncoderDecoder, source: Tensor, lengths: Tensor, decoding: DecodingConfig
) -> tuple[EncodedSource, list[list[int]]]:
    """The sources (B, S), read, and the tokens of their translations."""
    encoded = model.encode(source, lengths)
    times, more = MOST_TOKENS
    rows = write(model, encoded, times * lengths + more, END, decoding.num_beams, decoding.length_penalty)
    return encoded, rows


@final
class Translate:
    """A text in one language in, the same in another out."""

    name = "translate"
    shape = "many-to-many"
    data_description = "a table with columns source and target"
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    DecodingConfig = DecodingConfig
    training_defaults: Mapping[str, Any] = MappingProxyType({"batch_size": 64, "learning_rate": 1e-3})

    def accepts(self, data: Any) -> str | None:
        """Records with a source and a target."""
        fits = isinstance(data, Records) and set(SIDES) <= set(data.columns)
        return "records with columns source and target" if fits else None

    def prepare(self, data: Records, config: DataConfig) -> Preparation:
        """Fit a vocabulary to each language of the training split, or one to both."""
        data.require(*SIDES)
        pairs = encode_examples(data, "train", texts_of).items
        size, shared = config.vocabulary_size, config.shared_vocabulary
        return Preparation.fit(pairs, config.unit, size, shared, config.lowercase)

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read both sides from a run folder."""
        return Preparation.load(folder, config.unit, config.lowercase)

    def build(self, preparation: Preparation, config: ModelConfig) -> EncoderDecoder:
        """An encoder that reads both ways, and a decoder."""
        return EncoderDecoder(
            (len(preparation.source_side), len(preparation.target_side)),
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            decoder_layers=config.decoder_layers,
            cell_type=config.cell_type,
            attention=config.attention,
            dropouts=Dropouts(
                *[config.dropout] * 3,
                embedding=config.embedding_dropout,
                weight=config.weight_dropout,
                locked=config.locked_dropout,
            ),
        )

    def loss(self, model: Any, batch: Pairs, state: State | None, context: Context) -> Loss:
        """Cross-entropy of each target token given those before it; in training with label smoothing."""
        config = context.model
        smoothing = config.label_smoothing if model.training else 0.0
        encoded = model.encode(batch.source, batch.source_lengths)
        inputs = batch.inputs
        if model.training and config.scheduled_sampling:
            inputs = mix_guesses(model, encoded, inputs, config.scheduled_sampling * context.progress)
        real = batch.targets != IGNORE_INDEX
        units = real.sum(1)
        features = model.decode(inputs, encoded.start, encoded, units).features
        # Only real tokens go through the output layer, which costs as much as all the rest.
        nats = model.nats(features[real], batch.targets[real], smoothing)
        rows = torch.arange(len(units), device=units.device).repeat_interleave(units)
        return Loss(nats.new_zeros(len(units)).index_add(0, rows, nats), units)

    def evaluate_batch(self, model: Any, batch: Pairs, state: State | None, context: Context) -> Loss:
        """The same, and of the model's own translations what BLEU and chrF count."""
        loss = self.loss(model, batch, state, context)
        _, rows = translate(model, batch.source, batch.source_lengths, context.decoding)
        texts = [context.preparation.target_side.decode(row) for row in rows]
        counted = bleu.count_matches(
            texts, [target for _, target in batch.texts], context.preparation.lowercase
        )
        outputs = [
            {"source": source, "target": target, "translation": text}
            for (source, target), text in zip(batch.texts, texts, strict=True)
        ]
        counted = {name: torch.from_numpy(values).to(loss.nats.device) for name, values in counted.items()}
        return loss._replace(counts=counted, outputs=outputs)

    def predict(self, model: Any, items: Sequence[Sentence], context: Context) -> list[Output]:
        """Translations; on request with the weights of attention, a row for each token of the translation."""

        def run(some: list[Sentence]) -> list[Output]:
            numbers = [sentence.numbers for sentence in some]
            source, lengths = pad(numbers, END).to(model.device), lengths_of(numbers).to(model.device)
            encoded, rows = translate(model, source, lengths, context.decoding)
            details = [self._details(context, *pair) for pair in zip(some, rows, strict=True)]
            if context.decoding.attention and model.attention is not None:
                weights = attention_of(model, encoded, rows, lengths.tolist(), END)
                for detail, matrix in zip(details, weights, strict=True):
                    detail["attention"] = matrix
            return [Output(detail["translation"], detail) for detail in details]

        return map_by_length(items, [len(item.numbers) for item in items], run)

    def _details(self, context: Context, sentence: Sentence, row: list[int]) -> dict[str, Any]:
        sides = context.preparation
        return {
            "source": sentence.text,
            "translation": sides.target_side.decode(row),
            "source_tokens": sides.source_side.words(sentence.numbers),
            "tokens": sides.target_side.words([*row, END]),
        }

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats and perplexity of a token; BLEU and chrF where translations were made."""
        scores = loss_score(rows, unit)
        if scores:
            scores["perplexity"] = math.exp(min(rows.mean(), 700))
        if "bleu" in rows.counts:
            scores |= bleu.scores({name: rows.total(name) for name in bleu.METRICS})
        return scores

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """BLEU."""
        return Metric("bleu", higher_is_better=True)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """Sacrebleu's signatures, and the ten translations least like the right ones."""
        notes: dict[str, Any] = dict(bleu.signatures(bool(rows.counts["lowercase"].any())))
        if rows.outputs:
            likeness = bleu.chrf_of_rows(rows.counts["chrf"])
            chosen = [number for number in likeness.argsort(kind="stable")[:WORST] if likeness[number] < 100]
            notes["worst_translations"] = [rows.outputs[number] for number in chosen]
        return notes

    def baseline(self, preparation: Preparation, data: Records, split: str) -> Baseline | None:
        """A translation memory: the target of the training pair whose source is the most alike."""
        if split == "all":
            return None
        known, asked = (encode_examples(data, name, texts_of).items for name in ("train", split))
        found = nearest([source for source, _ in known], [source for source, _ in asked])
        texts = [known[number][1] for number in found]
        counted = bleu.count_matches(texts, [target for _, target in asked], preparation.lowercase)
        nats = numpy.full(len(asked), math.nan)
        return Baseline("translation memory", Rows(nats, numpy.ones(len(asked)), counted))

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Pairs of two made-up languages."""
        return write_toy_data_files(folder, seed)
