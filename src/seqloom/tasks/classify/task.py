"""Classify: read a text, a recording or a series of numbers, and say what it is. Many-to-one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, final

import numpy
import torch
from pydantic import Field
from torch import nn

from seqloom.baselines.logistic_regression import moments, regress, word_features
from seqloom.data.bucketing import map_by_length
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import Records
from seqloom.errors import ConfigError
from seqloom.layers.pooling import PoolingKind
from seqloom.models.dropout import Dropouts
from seqloom.models.language_model import CellType
from seqloom.models.sequence_classifier import Recurrence, SequenceClassifier
from seqloom.models.word_embedding import WordEmbeddingConfig
from seqloom.settings import PositiveInt, Probability, StrictConfig
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Metric, Output, Rows, loss_score
from seqloom.tasks.classify import labels as classify_labels
from seqloom.tasks.classify.inputs.kinds import COLUMNS, AudioInput, DataConfig, fit, kind_of
from seqloom.tasks.classify.inputs.text import TextInput
from seqloom.tasks.classify.labels import Labels, column_of, labels_in
from seqloom.tasks.classify.preparation import Examples, Preparation
from seqloom.tasks.classify.toy_data import write_toy_data_files

EMBEDDING_SIZE = 128


class ModelConfig(StrictConfig):
    """The `model.*` keys."""

    cell_type: CellType = "gru"
    hidden_size: PositiveInt = 128
    """Of each direction."""
    num_layers: PositiveInt = 1
    bidirectional: bool = True
    pooling: list[PoolingKind] = Field(default=["max", "mean"], min_length=1)
    """How the outputs of all steps become one vector: `last`, `mean`, `max`, `attention`; several are put
    side by side."""
    embedding_size: PositiveInt | None = None
    """Of texts. None: that of the pretrained vectors, or 128."""
    dropout: Probability = 0.3
    """At the input and between the layers."""
    output_dropout: Probability | None = None
    """Of the pooled vector. None: `dropout`."""
    locked_dropout: bool = True
    """One mask for all steps of a sequence (variational dropout)."""
    word_dropout: Probability = 0.0
    """In training, the share of a text's tokens that are read as unknown."""
    embedding_dropout: Probability = 0.0
    """Of whole words of the vocabulary, wherever they stand in a batch."""
    weight_dropout: Probability = 0.0
    """Of recurrent weights."""
    spec_augment: bool = False
    """Of recordings: in training, stretches of time and bands of frequency are blotted out."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: in training every label weighs the same, however rare it is."""
    label_smoothing: Probability = 0.0
    """In training, the share of a target's probability that goes to all labels alike."""
    kernel: Literal["auto", "reference", "torch", "native"] = "auto"


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys."""

    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Where an example may have several labels, those of at least this probability are said."""


@final
class Classify:
    """A sequence in, its label out, or its labels."""

    name = "classify"
    shape = "many-to-one"
    data_description = "a table with columns text and label, or values and label, or recordings with labels"
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    DecodingConfig = DecodingConfig
    training_defaults: Mapping[str, Any] = MappingProxyType(
        {"batch_size": 64, "learning_rate": 2e-3, "patience": 5}
    )

    def accepts(self, data: Any) -> str | None:
        """Records with an input and a label."""
        if not isinstance(data, Records) or column_of(data.columns) not in data.columns:
            return None
        kind = kind_of(data.columns, DataConfig())
        return f"records with columns {COLUMNS[kind]} and {column_of(data.columns)}" if kind else None

    def prepare(self, data: Records, config: DataConfig) -> Preparation:
        """Fit a vocabulary or a normalizer to the training split, and list its labels."""
        kind, several = kind_of(data.columns, config) or "text", classify_labels.has_several(data)
        data.require(COLUMNS[kind], column_of(data.columns))
        inputs, found = fit(data, kind, config, lambda row: labels_in(row, several))
        return Preparation(inputs, Labels.fit(found, several, data.path))

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read labels and inputs from a run folder; pretrained vectors are no longer needed."""
        return Preparation.load(folder)

    def build(self, preparation: Preparation, config: ModelConfig) -> SequenceClassifier:
        """A recurrent stack, pooled. Pretrained vectors are put into it where they are at hand."""
        inputs, sizes = preparation.inputs, (config.hidden_size, config.num_layers, config.bidirectional)
        is_text = isinstance(inputs, TextInput)
        output = config.dropout if config.output_dropout is None else config.output_dropout
        model = SequenceClassifier(
            label_count=len(preparation.labels.names),
            input_size=_embedding_size(inputs, config) if is_text else inputs.size,
            recurrence=Recurrence(config.cell_type, *sizes, config.kernel),
            words=_words(inputs, config) if is_text else None,
            pooling=config.pooling,
            dropouts=Dropouts(
                *(config.dropout, config.dropout, output),
                embedding=config.embedding_dropout,
                weight=config.weight_dropout,
                locked=config.locked_dropout,
            ),
        )
        if is_text and inputs.vectors is not None and model.embedding is not None:
            model.embedding.load_pretrained(inputs.numbers(inputs.vectors.words), inputs.vectors.matrix)
        return model

    def loss(self, model: nn.Module, batch: Examples, state: State | None, context: Context) -> Loss:
        """Cross-entropy, with the label smoothing and the class weights that are asked for."""
        labels, config = context.preparation.labels, context.model
        values, inputs = batch.values, context.preparation.inputs
        if isinstance(inputs, AudioInput) and config.spec_augment:
            values = inputs.augmented(values, batch.lengths)
        scores = model(values, batch.lengths).float()
        balanced = config.class_weights == "balanced"
        nats = classify_labels.nats_of(scores, batch.targets, labels, config.label_smoothing, balanced)
        right = classify_labels.right_in(scores, batch.targets, labels)
        return Loss(nats, torch.ones_like(nats, dtype=torch.int64), counts={"right": right})

    def evaluate_batch(
        self, model: nn.Module, batch: Examples, state: State | None, context: Context
    ) -> Loss:
        """Plain cross-entropy, and what accuracy and F1 are made of."""
        scores = model(batch.values, batch.lengths).float()
        labels, threshold = context.preparation.labels, context.decoding.threshold
        return classify_labels.measured(scores, batch.targets, batch.shown, labels, threshold)

    def predict(
        self, model: SequenceClassifier, items: Sequence[numpy.ndarray], context: Context
    ) -> list[Output]:
        """The label, or the labels with `|` between, and the probability of each."""
        labels, threshold = context.preparation.labels, context.decoding.threshold

        def run(some: list[numpy.ndarray]) -> list[Output]:
            scores = model(pad(some).to(model.device), lengths_of(some).to(model.device)).float()
            probabilities = scores.sigmoid() if labels.several else scores.softmax(-1)
            chosen = classify_labels.chosen_of(scores, labels, threshold)
            rows = zip(chosen.tolist(), probabilities.tolist(), strict=True)
            return [_output(labels, *row) for row in rows]

        return map_by_length(items, [len(item) for item in items], run)

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats, accuracy (of several labels, all must be right), and F1."""
        scores = {**loss_score(rows, unit), "accuracy": float(rows.total("right") / rows.units.sum())}
        return {**scores, **classify_labels.f1_of(rows)} if "both" in rows.counts else scores

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """Accuracy."""
        return Metric("accuracy", higher_is_better=True)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """How often each label was taken for which, and the mistakes that cost most."""
        return classify_labels.mistakes_in(rows)

    def baseline(self, preparation: Preparation, data: Records, split: str) -> Baseline | None:
        """Logistic regression: on TF-IDF of words and pairs of words, or on means and deviations."""
        if split == "all":  # what it learns from would be among what it is asked
            return None
        known, asked = preparation.kept(data, "train").items, preparation.kept(data, split).items
        labels, targets = preparation.labels, numpy.stack([item.target for item in asked])
        if preparation.inputs.kind == "text":
            name, features = "TF-IDF + logistic regression", word_features
        else:
            name, features = "mean, deviation + logistic regression", moments
        scores = regress(
            *features(known, asked), numpy.stack([item.target for item in known]), len(labels.names)
        )
        shown = [item.shown for item in asked]
        loss = classify_labels.measured(torch.from_numpy(scores), torch.from_numpy(targets), shown, labels)
        counted = {key: values.numpy() for key, values in loss.counts.items()}
        return Baseline(name, Rows(loss.nats.numpy(), loss.units.numpy(), counted))

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Reviews of a small grammar."""
        return write_toy_data_files(folder, seed)


def _embedding_size(texts: TextInput, config: ModelConfig) -> int:
    if texts.outline is None:
        return config.embedding_size or EMBEDDING_SIZE
    if config.embedding_size not in (None, texts.outline.size):
        expected = f"must be {texts.outline.size}, the size of the pretrained vectors, or none"
        raise ConfigError("model.embedding_size", expected, got=config.embedding_size)
    return texts.outline.size


def _words(texts: TextInput, config: ModelConfig) -> WordEmbeddingConfig:
    parts = 0 if texts.subwords is None else len(texts.subwords)
    return WordEmbeddingConfig(texts.token_count, texts.unknown, config.word_dropout, parts)


def _output(labels: Labels, chosen: list[bool], probabilities: list[float]) -> Output:
    names = [name for name, yes in zip(labels.names, chosen, strict=True) if yes]
    found = {"labels": names} if labels.several else {"label": names[0]}
    each = dict(zip(labels.names, probabilities, strict=True))
    return Output(labels.said(chosen), {**found, "probabilities": each})
