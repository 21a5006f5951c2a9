"""The task `classify`: texts, recordings and series, one label or several, and what is said of bad rows."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

import seqloom
from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.errors import ConfigError, DataError, RunError
from seqloom.tasks.base import Context
from seqloom.tasks.classify.labels import Labels
from seqloom.tasks.classify.preparation import Preparation
from seqloom.tasks.classify.task import Classify, DataConfig, DecodingConfig, ModelConfig
from seqloom.training.train import train

TASK = Classify()
REVIEWS = [("a fine film", "good"), ("a dull film", "bad"), ("fine , fine music", "good"), ("dull", "bad")]


def table(folder: Path, **splits: Sequence[tuple[Any, Any]]) -> Path:
    """Rows (text, label) as train.tsv, validation.tsv …"""
    folder.mkdir(exist_ok=True)
    for split, rows in splits.items():
        lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    return folder


def objects(folder: Path, **splits: Sequence[dict[str, Any]]) -> Path:
    """Rows as train.jsonl …"""
    folder.mkdir(exist_ok=True)
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def prepared(data: Records, **config: Any) -> Preparation:
    return TASK.prepare(data, DataConfig(**config))


def context(preparation: Preparation, threshold: float = 0.5, **model: Any) -> Context:
    config = ModelConfig(**{"hidden_size": 6, "embedding_size": 4, **model})
    return Context(preparation, config, DecodingConfig(threshold=threshold))


def skipped(preparation: Preparation, data: Records, split: str) -> tuple[str, ...]:
    return preparation.kept(data, split).skipped


@pytest.fixture
def reviews(tmp_path: Path) -> Records:
    found = read(table(tmp_path / "reviews", train=REVIEWS * 4, validation=REVIEWS, test=REVIEWS))
    assert isinstance(found, Records)
    return found


def test_what_it_accepts_is_said_by_columns(tmp_path: Path, reviews: Records) -> None:
    assert TASK.accepts(reviews) == "records with columns text and label"
    series = objects(tmp_path / "s", train=[{"values": [1, 2], "labels": ["x"]}] * 3)
    assert TASK.accepts(read(series)) == "records with columns values and labels"
    assert TASK.accepts(read(objects(tmp_path / "n", train=[{"text": "a", "target": "b"}] * 3))) is None
    assert TASK.accepts("a text") is None


def test_words_are_in_small_letters_and_signs_apart(reviews: Records) -> None:
    preparation = prepared(reviews)
    assert preparation.describe() == "7 tokens; labels: bad, good"
    vocabulary = preparation.inputs.vocabulary  # type: ignore[union-attr]
    numbers = preparation.encode("Fine, FINE film!")
    names = [vocabulary.tokenizer.id_to_token(number) for number in numbers]
    assert names == ["fine", ",", "fine", "film", "<unk>"]


@pytest.mark.parametrize("unit", ["word", "character", "byte", "bpe"])
def test_a_text_of_unknown_words_is_still_answered(reviews: Records, unit: str) -> None:
    preparation = prepared(reviews, unit=unit)
    model = TASK.build(preparation, context(preparation, word_dropout=0.5).model).eval()
    answers = TASK.predict(
        model, [preparation.encode(text) for text in ("Ωμέγα ψ", "\u200b")], context(preparation)
    )
    for answer in answers:
        assert answer.text in ("bad", "good")
        assert sum(answer.details["probabilities"].values()) == pytest.approx(1, abs=1e-6)  # float32


def test_subwords_make_something_of_a_word_that_was_never_seen(tmp_path: Path) -> None:
    rows = [("loved it", "y"), ("lovely", "y"), ("clover", "n"), ("beloved", "y")] * 3
    data = read(table(tmp_path / "d", train=rows, validation=rows))
    preparation = prepared(data, subwords=True)
    assert "parts of words" in preparation.describe()
    model = TASK.build(preparation, context(preparation).model).eval()
    known, unknown, other = (preparation.encode(text) for text in ("loved", "unloved", "qqq"))
    assert known.shape == unknown.shape
    assert unknown[0, 0] == other[0, 0] == 0
    assert unknown[0, 1:].any()
    assert not other[0, 1:].any()
    assert model(torch.from_numpy(unknown[None])).tolist() != model(torch.from_numpy(other[None])).tolist()
    restored = restore(preparation, tmp_path / "run", subwords=True)
    assert numpy.array_equal(restored.item("an unloved one"), preparation.encode("an unloved one"))


def restore(preparation: Preparation, folder: Path, **config: Any) -> Preparation:
    folder.mkdir()
    for name, content in preparation.files().items():
        (folder / name).write_text(content)
    return TASK.restore(folder, DataConfig(**config))


def test_only_training_sees_class_weights_and_smoothing(reviews: Records) -> None:
    preparation = prepared(reviews)
    plain, strange = (
        context(preparation, **options, dropout=0.0)
        for options in ({}, {"class_weights": "balanced", "label_smoothing": 0.3})
    )
    model = TASK.build(preparation, plain.model)
    batch = next(preparation.source(reviews, "train", Batching(4)).batches(0))
    costs = [
        function(model, batch, None, which).nats
        for function in (TASK.loss, TASK.measure)
        for which in (plain, strange)
    ]
    assert torch.equal(costs[2], costs[3])
    assert torch.equal(costs[0], costs[2])
    assert not torch.equal(costs[0], costs[1])


def test_it_learns_the_order_of_words_and_leaves_its_baseline_behind(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert TASK.write_toy_data(tmp_path / "data", 0)
    settings = [
        "model.hidden_size=48",
        "model.embedding_size=32",
        "training.batch_size=32",
        "training.max_epochs=12",
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


@pytest.mark.parametrize("several", [False, True])
def test_answers_do_not_depend_on_who_is_asked_with_them(reviews: Records, several: bool) -> None:
    data = reviews
    if several:
        rows = [{"text": text, "labels": [label, "any"]} for text, label in REVIEWS] * 3
        data = read(objects(reviews.path.parent / "several", train=rows, validation=rows))
    preparation = prepared(data)
    told = context(preparation, pooling=["last", "mean", "max", "attention"])
    model = TASK.build(preparation, told.model).double().eval()
    items = [
        preparation.encode(text) for text in ("fine", "a dull , dull , dull film", "music", "a fine film")
    ] * 20
    together = TASK.predict(model, items, told)
    alone = [TASK.predict(model, [item], told)[0] for item in items]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    for one, other in zip(together, alone, strict=True):
        # the scores are made float32
        assert one.details["probabilities"] == pytest.approx(other.details["probabilities"], abs=1e-6)


def test_several_labels_are_said_from_the_threshold_on(tmp_path: Path) -> None:
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
    asked = ["red round", "red", "grey"]
    answers = loaded.predict(asked)
    assert [answer.text for answer in answers] == ["red|round", "red", ""]
    assert answers[0].details["labels"] == ["red", "round"]
    assert [answer.text for answer in loaded.predict(asked, threshold=0.999999)] == ["", "", ""]
    assert loaded.predict(asked, threshold=1e-6)[2].details["labels"] == ["red", "round"]


def test_a_table_says_several_labels_by_what_stands_between(tmp_path: Path) -> None:
    rows = [("one", "a|b"), ("two", "a"), ("three", "b | c")]
    preparation = prepared(read(table(tmp_path / "d", train=rows, validation=rows)))
    assert preparation.labels == Labels(("a", "b", "c"), True, (2, 2, 1), 3)
    assert preparation.describe().endswith("labels: a, b, c, any number of them")


def test_series_are_normalized_as_in_training(tmp_path: Path) -> None:
    generator = numpy.random.default_rng(0)
    rows = [
        {"values": (generator.normal([1000, 0.001], [50, 1e-5], (n, 2))).tolist(), "label": str(n % 2)}
        for n in range(3, 40)
    ]
    preparation = prepared(read(objects(tmp_path / "d", train=rows, validation=rows[:4])))
    assert preparation.column == "values"
    steps = numpy.concatenate([preparation.encode(row["values"]) for row in rows])
    # mean and deviation are kept in float32
    assert steps.mean(0) == pytest.approx([0, 0], abs=1e-3)
    assert steps.std(0) == pytest.approx([1, 1], rel=1e-3)
    restored = restore(preparation, tmp_path / "run")
    assert numpy.array_equal(restored.item(rows[0]["values"]), preparation.encode(rows[0]["values"]))


def test_series_are_learnt_and_asked_for_as_text(tmp_path: Path) -> None:
    """Rising or falling: means and deviations alone, which the baseline has, say nothing."""
    generator = numpy.random.default_rng(0)

    def row(number: int) -> dict[str, Any]:
        values = numpy.sort(generator.normal(5, 2, generator.integers(5, 12)))
        return {
            "values": (values if number % 2 else values[::-1]).tolist(),
            "label": ["falls", "rises"][number % 2],
        }

    splits = {"train": 200, "validation": 40, "test": 60}
    data = objects(
        tmp_path / "data", **{name: [row(n) for n in range(count)] for name, count in splits.items()}
    )
    settings = ["model.hidden_size=16", "training.max_steps=100", "training.learning_rate=0.01"]
    folder, report = train(data, settings=settings, out=tmp_path / "run")
    assert report.metrics["accuracy"] > 0.95 > report.baseline["accuracy"] + 0.2
    assert report.baseline_name == "mean, deviation + logistic regression"
    answers = seqloom.load(folder).predict(["1, 2, 4, 7, 9", "[9, 6, 4, 2]", [9.0, 7.5, 3.0, 1.0]])
    assert [answer.text for answer in answers] == ["rises", "falls", "falls"]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Low and high tones at 8 kHz, and a file that is none."""
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("kaldi_native_fbank")
    folder, generator = tmp_path / "sounds", numpy.random.default_rng(0)
    for split, count in {"train": 24, "validation": 8, "test": 8}.items():
        for number in range(count):
            label = ("low", "high")[number % 2]
            hertz = generator.uniform(200, 300) if label == "low" else generator.uniform(1500, 2500)
            time = numpy.arange(int(generator.integers(1200, 2400))) / 8000
            sound = 0.3 * numpy.sin(2 * math.pi * hertz * time) + generator.normal(0, 0.01, len(time))
            (folder / split / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / split / label / f"{number}.wav", sound, 8000)
    (folder / "test/low/broken.wav").write_bytes(b"no sound")
    return folder


def test_recordings_are_told_apart(sounds: Path, tmp_path: Path) -> None:
    settings = ["data.num_mels=20", "model.hidden_size=16", "training.max_steps=60", "training.batch_size=8"]
    folder, report = train(sounds, settings=[*settings, "training.learning_rate=0.01"], out=tmp_path / "run")
    assert report.metrics["accuracy"] == 1
    assert report.details["confusion"] == {"high": {"high": 4}, "low": {"low": 4}}
    (message,) = report.skipped
    assert "broken.wav" in message
    loaded = seqloom.load(folder)
    assert loaded.preparation.describe() == "20 features a step, of 8000 Hz; labels: high, low"
    assert loaded.predict([sounds / "test/high/1.wav"])[0].text == "high"
    with pytest.raises(DataError, match=r"classify: `file` must be the path of a recording\. Got 7\."):
        loaded.predict([7])


def test_recordings_are_blotted_out_in_training_only(sounds: Path) -> None:
    data = read(sounds)
    preparation = prepared(data)
    told = context(preparation, dropout=0.0, spec_augment=True)
    model = TASK.build(preparation, told.model)
    batch = next(preparation.source(data, "train", Batching(8)).batches(0))
    assert not torch.equal(*(TASK.loss(model, batch, None, told).nats for _ in range(2)))
    measured = TASK.measure(model, batch, None, told).nats
    assert torch.equal(measured, TASK.loss(model, batch, None, context(preparation, dropout=0.0)).nats)


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    file = tmp_path / "vectors.txt"
    file.write_text("film 1 2 3 4\nfine 5 6 7 8\ndog 0 0 0 0\n")
    return file


def test_pretrained_vectors_are_needed_only_to_begin(reviews: Records, vectors: Path, tmp_path: Path) -> None:
    settings = [f"data.vectors={vectors}", "training.max_steps=2", "model.hidden_size=8"]
    said: list[str] = []
    folder, report = train(reviews.path, settings=settings, out=tmp_path / "run", log=said.append)
    assert any("7 tokens, 2 of them with a vector of vectors.txt" in line for line in said)
    vectors.unlink()
    loaded = seqloom.load(folder)
    assert loaded.model.embedding.words.weight.shape == (7, 4)
    assert loaded.evaluate(reviews.path).metrics == pytest.approx(report.metrics, rel=1e-6)  # float32


def test_training_begins_with_the_pretrained_vectors(reviews: Records, vectors: Path) -> None:
    preparation = prepared(reviews, vectors=str(vectors))
    weight = TASK.build(preparation, ModelConfig()).embedding.words.weight  # type: ignore[union-attr]
    film, fine = (preparation.encode(word)[0] for word in ("film", "fine"))
    assert weight[[film, fine]].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    with pytest.raises(
        ConfigError,
        match=r"model.embedding_size: must be 4, the size of the pretrained vectors, or none\. Got 5",
    ):
        TASK.build(preparation, ModelConfig(embedding_size=5))


def test_subwords_are_of_words_only(reviews: Records) -> None:
    with pytest.raises(
        ConfigError, match=r"data.subwords: must be false where data.unit is not word\. Got bpe\."
    ):
        prepared(reviews, unit="bpe", subwords=True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((" ", "good"), r"train.tsv, line 2: `text` must be a text\. Got nothing\."),
        (("a film", ""), r"train.tsv, line 2: `label` must be a label\. Got nothing\."),
    ],
)
def test_a_bad_row_is_left_out_and_said(tmp_path: Path, row: tuple[str, str], message: str) -> None:
    data = read(table(tmp_path / "d", train=[row, *REVIEWS], validation=REVIEWS))
    preparation = prepared(data)
    source = preparation.source(data, "train", Batching(8))
    assert sum(len(batch.targets) for batch in source.batches(0)) == 4
    (said,) = source.skipped
    assert re.search(message, said)
    strict = read(table(tmp_path / "d", train=[row, *REVIEWS], validation=REVIEWS), strict=True)
    with pytest.raises(DataError, match=message):
        prepared(strict)


def test_a_label_never_seen_in_training_is_left_out_and_said(tmp_path: Path) -> None:
    data = read(table(tmp_path / "d", train=REVIEWS, validation=[*REVIEWS, ("odd", "strange")]))
    preparation = prepared(data)
    (said,) = skipped(preparation, data, "validation")
    assert said.endswith(
        "validation.tsv, line 6: expected a label of the training rows: bad, good. Got strange."
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, float("nan"), 2], "`values` must be finite numbers. Got nan at step 2."),
        ([1, 1e39], "`values` must be finite numbers. Got 1e+39 at step 2."),
        ([[1, 2], [3, 4]], "`values` must have 1 at each step, as in training. Got 2."),
        (
            [[1, 2], [3]],
            "`values` must be a list of numbers, or of lists of as many numbers each. Got [[1, 2], [3]].",
        ),
        ([], "or of lists of as many numbers each. Got []."),
        (None, "or of lists of as many numbers each. Got nothing."),
        ("up and down", "or of lists of as many numbers each. Got 'up and down'."),
        ([[[1]]], "or of lists of as many numbers each. Got [[[1]]]."),
    ],
)
def test_a_series_that_is_none_is_left_out_and_said(tmp_path: Path, values: Any, message: str) -> None:
    good = [{"values": [1, 2, 3], "label": "x"}, {"values": [3, 2], "label": "y"}]
    data = read(
        objects(tmp_path / "d", train=[*good, *good, {"values": values, "label": "x"}], validation=good)
    )
    preparation = prepared(data)
    (said,) = skipped(preparation, data, "train")
    assert "train.jsonl, line 5: `values` must " in said
    assert said.endswith(message)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "`labels` must be labels, a list or a text with | between. Got nothing."),
        ([["a"]], "`labels` must be labels, a list or a text with | between. Got [['a']]."),
        (1.5, "`labels` must be labels, a list or a text with | between. Got 1.5."),
    ],
)
def test_labels_that_are_none_are_left_out_and_said(tmp_path: Path, labels: Any, message: str) -> None:
    good = [{"text": "x", "labels": ["a"]}, {"text": "y", "labels": ["b"]}]
    data = read(objects(tmp_path / "d", train=[*good, {"text": "z", "labels": labels}], validation=good))
    (said,) = skipped(prepared(data), data, "train")
    assert said.endswith(message)


def test_data_that_cannot_be_used_is_said(tmp_path: Path, reviews: Records) -> None:
    rows = [("a", "same"), ("b", "same")]
    with pytest.raises(DataError, match=r"expected at least two labels to tell apart\. Got same\."):
        prepared(read(table(tmp_path / "one", train=rows, validation=rows)))
    with pytest.raises(DataError, match=r"expected columns file, label\. Got text, label\."):
        prepared(reviews, input="audio")
    with pytest.raises(DataError, match=r"expected columns text, label\. Got title, label\."):
        prepared(read(objects(tmp_path / "no", train=[{"title": "a", "label": "b"}] * 3)))
    with pytest.raises(DataError, match=r"classify: `text` must be a text\. Got 5\."):
        prepared(reviews).item(5)
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match=r"labels\.json: expected a file of the run\. Got No such file"):
        TASK.restore(tmp_path / "run", DataConfig())


def test_the_baseline_stands_where_it_has_nothing_to_fit(tmp_path: Path) -> None:
    """A label that all 3 training rows have: its share is (3 + 1) / (3 + 2)."""
    rows = [{"text": f"text {n}", "labels": ["always"]} for n in range(3)]
    data = read(objects(tmp_path / "d", train=rows, validation=rows[:2]))
    found = TASK.baseline(prepared(data), data, "validation")
    assert found is not None
    assert found.rows.nats == pytest.approx([-math.log(4 / 5)] * 2)
    assert TASK.score(found.rows, "example")["accuracy"] == 1
    assert TASK.baseline(prepared(data), data, "all") is None


def test_a_baseline_of_other_data_knows_the_models_labels(tmp_path: Path) -> None:
    """What is evaluated has one of the two labels only: nothing to fit, and both have a probability."""
    preparation = prepared(read(table(tmp_path / "a", train=REVIEWS, validation=REVIEWS)))
    good = [row for row in REVIEWS if row[1] == "good"]
    other = read(table(tmp_path / "b", train=good, validation=good, test=REVIEWS))
    found = TASK.baseline(preparation, other, "test")
    assert found is not None
    expected = [-math.log(3 / 4) if label == "good" else -math.log(1 / 4) for _, label in REVIEWS]
    assert sorted(found.rows.nats) == pytest.approx(sorted(expected))
