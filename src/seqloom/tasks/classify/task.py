"""Classify: predict the label of a text, a recording, a clip or a series, or its labels. Many-to-one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy
import torch
from torch import Tensor, nn

from seqloom.baselines.budget import UNLIMITED, Budget
from seqloom.data.bucketing import map_by_length
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import Records
from seqloom.metrics import classification
from seqloom.models.dropout import Dropouts
from seqloom.models.pooled_classifier import PooledClassifier
from seqloom.models.sequence_classifier import SequenceClassifier
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Metric, Output, Rows, Task, loss_score
from seqloom.tasks.classify.baseline import measure_baseline
from seqloom.tasks.classify.config import DataConfig, DecodingConfig, LossConfig, ModelConfig
from seqloom.tasks.classify.labels import (
    LABEL_COLUMNS,
    Labels,
    compute_loss,
    count_predictions,
    is_correct,
    is_multi_label,
    label_column,
    predict_mask,
    read_labels,
)
from seqloom.tasks.classify.preparation import Preparation
from seqloom.tasks.classify.toy_data import write_toy_data_files
from seqloom.tasks.inputs.base import PerhapsWhole, TargetReader
from seqloom.tasks.inputs.kinds import input_kind, toy_data_of
from seqloom.tasks.inputs.text import TextInput
from seqloom.tasks.rows import RowBatch
from seqloom.tasks.tracing import ForwardPass, refuse_target

MAX_MISTAKES = 10
"""Mistakes that a report shows."""


@final
class Classify(Task):
    """A sequence in, its label or labels out."""

    name = "classify"
    shape = "many-to-one"
    data_description = (
        "a table with columns text and label, or values and label, or labeled recordings, pictures or clips"
    )
    reads = Records
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    LossConfig = LossConfig
    DecodingConfig = DecodingConfig
    more_toy_data = toy_data_of(name)
    training_defaults = MappingProxyType({"batch_size": 64, "learning_rate": 2e-3, "patience": 5})

    def accepts(self, data: Any) -> str | None:
        """Records with an input and a label."""
        if not isinstance(data, Records) or label_column(data.columns) not in data.columns:
            return None
        kind = input_kind(data)
        return f"records with columns {kind.column} and {label_column(data.columns)}" if kind else None

    def shape_of(self, preparation: Preparation) -> str:
        """One-to-one where a picture is read at once."""
        inputs = preparation.input
        return "one-to-one" if isinstance(inputs, PerhapsWhole) and not inputs.is_sequence else self.shape

    def pipeline_tag(self, preparation: Preparation) -> str | None:
        """Classification of what is read, such as texts; hubs have no name for that of series."""
        return preparation.input.pipeline_tags.get(self.name)

    def prepare(self, data: Records, config: DataConfig) -> Preparation:
        """Fit a vocabulary or a normalizer to the training split, and collect its labels."""
        kind, multi_label = input_kind(data, config.input) or TextInput, is_multi_label(data)
        data.require(kind.column, label_column(data.columns))
        targets = TargetReader(LABEL_COLUMNS, lambda row: read_labels(row, multi_label))
        fitted, rows = kind.fit(data, config, targets)
        return Preparation(fitted, Labels.fit(rows, multi_label, data.path))

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read labels and input from a run folder; pretrained vectors are no longer needed."""
        return Preparation.load(folder, config)

    def build(self, preparation: Preparation, config: ModelConfig) -> SequenceClassifier | PooledClassifier:
        """Pooled recurrent layers, perhaps with pretrained vectors; or the pooled features of a picture."""
        output = config.dropout if config.output_dropout is None else config.output_dropout
        dropouts = Dropouts(config.dropout, config.dropout, output, embedding=config.embedding_dropout)
        front = preparation.input.front(config)
        if not front.is_sequence and front.module is not None:
            return PooledClassifier(
                len(preparation.labels.names), front.module, front.size, config.pooling, output
            )
        model = SequenceClassifier(
            label_count=len(preparation.labels.names),
            input_size=front.size,
            recurrent=config.recurrent_config(dropouts, config.bidirectional),
            words=front.words,
            pooling=config.pooling,
            front=front.module,
        )
        if front.pretrained is not None and model.embedding is not None:
            model.embedding.load_pretrained(*front.pretrained)
        return model

    def loss(self, model: nn.Module, batch: RowBatch, state: State | None, context: Context) -> Loss:
        """Cross-entropy, with label smoothing and class weights as configured."""
        labels, config = context.preparation.labels, context.loss
        scores = model(*context.preparation.input.augment(batch.values, batch.lengths)).float()
        balanced = config.class_weights == "balanced"
        nats = compute_loss(scores, batch.targets, labels, config.label_smoothing, balanced)
        correct = is_correct(scores, batch.targets, labels)
        return Loss(nats, torch.ones_like(nats, dtype=torch.int64), counts={"correct": correct})

    def evaluate_batch(
        self, model: nn.Module, batch: RowBatch, state: State | None, context: Context
    ) -> Loss:
        """Plain cross-entropy, and the counts of accuracy and F1."""
        scores = model(batch.values, batch.lengths).float()
        labels, threshold = context.preparation.labels, context.decoding.threshold
        return count_predictions(scores, batch.targets, batch.texts, labels, threshold)

    def predict(
        self, model: SequenceClassifier, items: Sequence[numpy.ndarray], context: Context
    ) -> list[Output]:
        """The label, or the labels with `|` between, and the probability of each."""
        labels, threshold = context.preparation.labels, context.decoding.threshold

        def run(batch: list[numpy.ndarray]) -> list[Output]:
            scores = model(pad(batch).to(model.device), lengths_of(batch).to(model.device)).float()
            probabilities = scores.sigmoid() if labels.multi_label else scores.softmax(-1)
            masks = predict_mask(scores, labels, threshold)
            rows = zip(masks.cpu(), probabilities.tolist(), strict=True)
            return [_output(labels, *row) for row in rows]

        return map_by_length(items, [len(item) for item in items], run)

    def forward_pass(
        self, model: SequenceClassifier, value: Any, item: Any, context: Context, target: str | None = None
    ) -> ForwardPass:
        """The model reads an input, step by step."""
        refuse_target(self.name, target)

        def run() -> None:
            model(pad([item]).to(model.device), lengths_of([item]).to(model.device))

        return ForwardPass(context.preparation.input.name_steps(value, len(item)), run)

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats, accuracy (multi-label, all labels of a row must be right), and F1."""
        scores = {**loss_score(rows, unit), "accuracy": float(rows.total("correct") / rows.units.sum())}
        if "both" not in rows.counts:
            return scores
        totals = (rows.total(name) for name in ("actual", "predicted", "both"))
        return {**scores, **classification.f1_scores(*totals, multi_label="multi_label" in rows.counts)}

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """Accuracy."""
        return Metric("accuracy", higher_is_better=True)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """The confusion of labels, and the mistakes with the greatest loss."""
        pairs = [(output["label"], output["predicted"]) for output in rows.outputs]
        losses = rows.nats.tolist() if rows.outputs else []
        mistakes = [
            {**output, "nats": nats}
            for output, nats, (actual, predicted) in zip(rows.outputs, losses, pairs, strict=True)
            if actual != predicted
        ]
        worst = sorted(mistakes, key=lambda mistake: -mistake["nats"])[:MAX_MISTAKES]
        return {"confusion": classification.confusion(pairs), "worst_mistakes": worst}

    def baseline(
        self, preparation: Preparation, data: Records, split: str, budget: Budget = UNLIMITED
    ) -> Baseline | None:
        """A logistic regression."""
        return None if split == "all" else measure_baseline(preparation, data, split, budget)

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Reviews of a small grammar."""
        return write_toy_data_files(folder, seed)


def _output(labels: Labels, mask: Tensor, probabilities: list[float]) -> Output:
    names = labels.chosen(mask)
    answer = {"labels": names} if labels.multi_label else {"label": names[0]}
    by_label = dict(zip(labels.names, probabilities, strict=True))
    return Output(labels.join(mask), {**answer, "probabilities": by_label})
