"""The task `classify`: single and multi-label, its loss, its baseline, and what it learns."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import seqloom
from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.tasks.classify.config import LossConfig
from seqloom.tasks.classify.labels import Labels
from seqloom.training.train import train

from .rows import REVIEWS, TASK, context, objects, prepared, table


def test_it_accepts_records_by_their_columns(tmp_path: Path, reviews: Records) -> None:
    assert TASK.accepts(reviews) == "records with columns text and label"
    series = objects(tmp_path / "s", train=[{"values": [1, 2], "labels": ["x"]}] * 3)
    assert TASK.accepts(read(series)) == "records with columns values and labels"
    assert TASK.accepts(read(objects(tmp_path / "n", train=[{"text": "a", "target": "b"}] * 3))) is None
    assert TASK.accepts("a text") is None


def test_class_weights_and_label_smoothing_are_for_training_only(reviews: Records) -> None:
    preparation = prepared(reviews)
    weighted = LossConfig(class_weights="balanced", label_smoothing=0.3)
    contexts = [context(preparation, loss, dropout=0.0) for loss in (LossConfig(), weighted)]
    model = TASK.build(preparation, contexts[0].model)
    batch = next(preparation.source(reviews, "train", Batching(4)).batches(0))
    training, evaluation = (
        [function(model, batch, None, settings).nats for settings in contexts]
        for function in (TASK.loss, TASK.evaluate_batch)
    )
    assert torch.equal(evaluation[0], evaluation[1])
    assert torch.equal(training[0], evaluation[0])
    assert not torch.equal(training[0], training[1])


def test_it_learns_word_order_which_the_baseline_cannot(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert TASK.write_toy_data(tmp_path / "data", 0)
    settings = [
        "model.hidden_size=48",
        "model.embedding_size=32",
        "training.batch_size=32",
        "training.max_steps=300",
    ]
    settings += ["training.learning_rate=4e-3", "model.dropout=0.1", "training.patience=null"]
    folder, report = train(tmp_path / "data", settings=settings, out=tmp_path / "run")
    assert report.split == "test"
    assert report.metrics["accuracy"] > 0.95 > report.baseline["accuracy"] + 0.15
    assert report.baseline_name == "TF-IDF + logistic regression"
    assert report.is_better
    loaded = seqloom.load(folder)
    answers = loaded.predict(
        ["Although the host was rude, the soup was not dull.", "the view was hardly lovely ."]
    )
    assert [answer.text for answer in answers] == ["positive", "negative"]
    assert loaded.evaluate(tmp_path / "data").metrics == pytest.approx(report.metrics, rel=1e-6)  # float32


@pytest.mark.parametrize("multi_label", [False, True])
def test_answers_do_not_depend_on_the_batch(reviews: Records, multi_label: bool) -> None:
    data = reviews
    if multi_label:
        rows = [{"text": text, "labels": [label, "any"]} for text, label in REVIEWS] * 3
        data = read(objects(reviews.path.parent / "multi", train=rows, validation=rows))
    preparation = prepared(data)
    settings = context(preparation, pooling=["last", "mean", "max", "attention"])
    model = TASK.build(preparation, settings.model).double().eval()
    items = [
        preparation.encode(text) for text in ("fine", "a dull , dull , dull film", "music", "a fine film")
    ] * 20
    together = TASK.predict(model, items, settings)
    alone = [TASK.predict(model, [item], settings)[0] for item in items]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    for batched, single in zip(together, alone, strict=True):
        # scores are float32
        assert batched.details["probabilities"] == pytest.approx(single.details["probabilities"], abs=1e-6)


def test_multi_label_predictions_follow_the_threshold(tmp_path: Path) -> None:
    rows = [{"text": "red round", "labels": ["red", "round"]}, {"text": "red", "labels": "red"}]
    rows += [{"text": "grey", "labels": []}, {"text": "round", "labels": " round | round "}]
    folder, report = train(
        objects(tmp_path / "data", train=rows * 30, validation=rows, test=rows),
        task="classify",
        settings=[
            "model.hidden_size=16",
            "model.dropout=0",
            "training.max_steps=80",
            "training.learning_rate=0.02",
        ],
        out=tmp_path / "run",
    )
    assert report.metrics["accuracy"] == report.metrics["micro_f1"] == report.metrics["macro_f1"] == 1
    loaded = seqloom.load(folder)
    texts = ["red round", "red", "grey"]
    answers = loaded.predict(texts)
    assert [answer.text for answer in answers] == ["red|round", "red", ""]
    assert answers[0].details["labels"] == ["red", "round"]
    assert [answer.text for answer in loaded.predict(texts, threshold=0.999999)] == ["", "", ""]
    assert loaded.predict(texts, threshold=1e-6)[2].details["labels"] == ["red", "round"]


def test_a_separator_makes_a_table_multi_label(tmp_path: Path) -> None:
    rows = [("one", "a|b"), ("two", "a"), ("three", "b | c")]
    preparation = prepared(read(table(tmp_path / "d", train=rows, validation=rows)))
    assert preparation.labels == Labels(("a", "b", "c"), True, (2, 2, 1), 3)
    assert preparation.describe().endswith("labels: a, b, c, any number of them")


def test_the_baseline_without_anything_to_fit(tmp_path: Path) -> None:
    """A label that all 3 training rows have: its share is (3 + 1) / (3 + 2)."""
    rows = [{"text": f"text {n}", "labels": ["always"]} for n in range(3)]
    data = read(objects(tmp_path / "d", train=rows, validation=rows[:2]))
    baseline = TASK.baseline(prepared(data), data, "validation")
    assert baseline is not None
    assert baseline.rows.nats == pytest.approx([-math.log(4 / 5)] * 2)
    assert TASK.score(baseline.rows, "example")["accuracy"] == 1
    assert TASK.baseline(prepared(data), data, "all") is None


def test_a_baseline_of_other_data_has_the_labels_of_the_model(tmp_path: Path) -> None:
    """What is evaluated has one of the two labels only: nothing to fit, and both have a probability."""
    preparation = prepared(read(table(tmp_path / "a", train=REVIEWS, validation=REVIEWS)))
    good = [row for row in REVIEWS if row[1] == "good"]
    other = read(table(tmp_path / "b", train=good, validation=good, test=REVIEWS))
    baseline = TASK.baseline(preparation, other, "test")
    assert baseline is not None
    expected = [-math.log(3 / 4) if label == "good" else -math.log(1 / 4) for _, label in REVIEWS]
    assert sorted(baseline.rows.nats) == pytest.approx(sorted(expected))
