"""What a classifier is measured against: a logistic regression on what needs no order."""

from __future__ import annotations

import numpy
import torch

from seqloom.baselines.budget import (
    MEASURED_TEXTS,
    MIN_SIZE,
    Budget,
    describe_share,
    draw_sample,
    sizes_for_texts,
)
from seqloom.data.tables.records import Records
from seqloom.tasks.base import Baseline, Rows
from seqloom.tasks.classify.labels import MAX_COUNTED, Labels, count_predictions
from seqloom.tasks.classify.preparation import Preparation
from seqloom.tasks.rows import targets_of, texts_of


def measure_baseline(preparation: Preparation, data: Records, split: str, budget: Budget) -> Baseline:
    """Logistic regression on TF-IDF of words and pairs of words, or on means and deviations of steps.

    Args:
        preparation: of the model.
        data: the records.
        split: which it is measured on; it is fitted to `train`.
        budget: the time that fitting may take.

    Returns:
        Its answers counted as the model's are; of very many labels, those of the most frequent one.
    """
    from seqloom.baselines import logistic_regression

    train, test = preparation.rows(data, "train").items, preparation.rows(data, split).items
    labels, is_text = preparation.labels, preparation.input.kind == "text"
    texts, targets = list(texts_of(test)), targets_of(train)
    if len(labels.names) > MAX_COUNTED:  # for which it would have gigabytes of coefficients
        return _most_frequent(labels, targets_of(test))
    size, min_size = len(train), MIN_SIZE
    if is_text:
        measured = draw_sample(len(train), min(len(train), MEASURED_TEXTS))
        size, min_size = sizes_for_texts(texts_of(train, measured.numbers), len(train))

    def fit(count: int) -> numpy.ndarray:
        sample, num_classes = draw_sample(len(train), count), len(labels.names)
        if is_text:
            known, new = logistic_regression.tfidf(texts_of(train, sample.numbers), texts, num_classes)
        else:
            rows = sample.of(train), test
            vectors = ([preparation.input.vectors_of(row.values) for row in part] for part in rows)
            known, new = map(logistic_regression.moments, vectors)
        return logistic_regression.predict_scores(known, new, targets[sample.numbers], num_classes)

    scores, fitted = budget.fit(fit, size, min_size)
    expected = torch.from_numpy(targets_of(test))
    loss = count_predictions(torch.from_numpy(scores), expected, texts, labels)
    counts = {key: values.numpy() for key, values in loss.counts.items()}
    return Baseline(
        f"{preparation.input.vectors_name()} + logistic regression",
        Rows(loss.nats.numpy(), loss.units.numpy(), counts),
        describe_share(fitted, len(train), "row"),
    )


def _most_frequent(labels: Labels, expected: numpy.ndarray) -> Baseline:
    """The most frequent label for every row; none, where a row may have any number."""
    rights = ~expected.any(1) if labels.multi_label else expected == numpy.argmax(labels.counts)
    correct = numpy.asarray(rights, dtype=bool)
    ones = numpy.ones(len(expected), dtype=numpy.int64)
    name = "no label" if labels.multi_label else "most frequent label"
    return Baseline(name, Rows(numpy.full(len(expected), numpy.nan), ones, {"correct": correct}))
