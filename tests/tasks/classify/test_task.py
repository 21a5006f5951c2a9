"""The task `classify`: texts, recordings and series, single and multi-label, and messages about bad rows."""

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
from seqloom.inference.inputs import inputs_of
from seqloom.tasks.base import Context
from seqloom.tasks.classify.labels import Labels
from seqloom.tasks.classify.preparation import Preparation
from seqloom.tasks.classify.task import Classify, DataConfig, DecodingConfig, LossConfig, ModelConfig
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


PLAIN = LossConfig()


def context(preparation: Preparation, loss: LossConfig = PLAIN, **model: Any) -> Context:
    config = ModelConfig(**{"hidden_size": 6, "embedding_size": 4, **model})
    return Context(preparation, config, loss, DecodingConfig())


def skipped(preparation: Preparation, data: Records, split: str) -> tuple[str, ...]:
    return preparation.rows(data, split).skipped


@pytest.fixture
def reviews(tmp_path: Path) -> Records:
    data = read(table(tmp_path / "reviews", train=REVIEWS * 4, validation=REVIEWS, test=REVIEWS))
    assert isinstance(data, Records)
    return data


def test_it_accepts_records_by_their_columns(tmp_path: Path, reviews: Records) -> None:
    assert TASK.accepts(reviews) == "records with columns text and label"
    series = objects(tmp_path / "s", train=[{"values": [1, 2], "labels": ["x"]}] * 3)
    assert TASK.accepts(read(series)) == "records with columns values and labels"
    assert TASK.accepts(read(objects(tmp_path / "n", train=[{"text": "a", "target": "b"}] * 3))) is None
    assert TASK.accepts("a text") is None


def test_words_are_lowercase_and_punctuation_is_apart(reviews: Records) -> None:
    preparation = prepared(reviews)
    assert preparation.describe() == "7 tokens; labels: bad, good"
    vocabulary = preparation.input.vocabulary  # type: ignore[union-attr]
    numbers = preparation.encode("Fine, FINE film!")
    names = [vocabulary.tokenizer.id_to_token(number) for number in numbers]
    assert names == ["fine", ",", "fine", "film", "<unk>"]


@pytest.mark.parametrize("unit", ["word", "character", "byte", "bpe"])
def test_a_text_of_unknown_words_has_an_answer(reviews: Records, unit: str) -> None:
    preparation = prepared(reviews, unit=unit)
    model = TASK.build(preparation, context(preparation, word_dropout=0.5).model).eval()
    answers = TASK.predict(
        model, [preparation.encode(text) for text in ("Ωμέγα ψ", "\u200b")], context(preparation)
    )
    for answer in answers:
        assert answer.text in ("bad", "good")
        assert sum(answer.details["probabilities"].values()) == pytest.approx(1, abs=1e-6)  # float32


def test_unseen_words_have_subwords(tmp_path: Path) -> None:
    rows = [("loved it", "y"), ("lovely", "y"), ("clover", "n"), ("beloved", "y")] * 3
    data = read(table(tmp_path / "d", train=rows, validation=rows))
    preparation = prepared(data, subwords=True)
    assert "subwords" in preparation.describe()
    model = TASK.build(preparation, context(preparation).model).eval()
    seen, unseen, unrelated = (preparation.encode(text) for text in ("loved", "unloved", "qqq"))
    assert seen.shape == unseen.shape
    assert unseen[0, 0] == unrelated[0, 0] == 0
    assert unseen[0, 1:].any()
    assert not unrelated[0, 1:].any()
    assert model(torch.from_numpy(unseen[None])).tolist() != model(torch.from_numpy(unrelated[None])).tolist()
    restored = restore(preparation, tmp_path / "run", subwords=True)
    assert numpy.array_equal(restored.encode("an unloved one"), preparation.encode("an unloved one"))


def restore(preparation: Preparation, folder: Path, **config: Any) -> Preparation:
    folder.mkdir()
    for name, content in preparation.files().items():
        (folder / name).write_text(content)
    return TASK.restore(folder, DataConfig(**config))


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
    assert numpy.array_equal(restored.encode(rows[0]["values"]), preparation.encode(rows[0]["values"]))


def test_series_are_learnt_and_accepted_as_text(tmp_path: Path) -> None:
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
    """Low and high tones at 8 kHz, and a file that is no audio."""
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


def test_recordings_are_classified(sounds: Path, tmp_path: Path) -> None:
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


def test_spec_augment_is_for_training_only(sounds: Path) -> None:
    data = read(sounds)
    masked, plain = (prepared(data, spec_augment=on) for on in (True, False))
    settings = context(masked, dropout=0.0)
    model = TASK.build(masked, settings.model)
    batch = next(masked.source(data, "train", Batching(8)).batches(0))
    assert not torch.equal(*(TASK.loss(model, batch, None, settings).nats for _ in range(2)))
    evaluated = TASK.evaluate_batch(model, batch, None, settings).nats
    assert torch.equal(evaluated, TASK.loss(model, batch, None, context(plain, dropout=0.0)).nats)


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    file = tmp_path / "vectors.txt"
    file.write_text("film 1 2 3 4\nfine 5 6 7 8\ndog 0 0 0 0\n")
    return file


def test_pretrained_vectors_are_needed_at_the_start_only(
    reviews: Records, vectors: Path, tmp_path: Path
) -> None:
    settings = [f"data.vectors={vectors}", "training.max_steps=2", "model.hidden_size=8"]
    messages: list[str] = []
    folder, report = train(reviews.path, settings=settings, out=tmp_path / "run", log=messages.append)
    assert any("7 tokens, 2 of them with a vector of vectors.txt" in line for line in messages)
    vectors.unlink()
    loaded = seqloom.load(folder)
    assert loaded.model.embedding.words.weight.shape == (7, 4)
    assert loaded.evaluate(reviews.path).metrics == pytest.approx(report.metrics, rel=1e-6)  # float32


def test_training_starts_from_the_pretrained_vectors(reviews: Records, vectors: Path) -> None:
    preparation = prepared(reviews, vectors=str(vectors))
    weight = TASK.build(preparation, ModelConfig()).embedding.words.weight  # type: ignore[union-attr]
    film, fine = (preparation.encode(word)[0] for word in ("film", "fine"))
    assert weight[[film, fine]].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    with pytest.raises(
        ConfigError,
        match=r"model.embedding_size: must be 4, the size of the pretrained vectors, or none\. Got 5",
    ):
        TASK.build(preparation, ModelConfig(embedding_size=5))


def test_subwords_need_words(reviews: Records) -> None:
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
def test_a_bad_row_is_skipped_with_a_message(tmp_path: Path, row: tuple[str, str], message: str) -> None:
    data = read(table(tmp_path / "d", train=[row, *REVIEWS], validation=REVIEWS))
    preparation = prepared(data)
    source = preparation.source(data, "train", Batching(8))
    assert sum(len(batch.targets) for batch in source.batches(0)) == 4
    (skipped_row,) = source.skipped
    assert re.search(message, skipped_row)
    strict = read(table(tmp_path / "d", train=[row, *REVIEWS], validation=REVIEWS), strict=True)
    with pytest.raises(DataError, match=message):
        prepared(strict)


def test_a_label_unseen_in_training_is_skipped_with_a_message(tmp_path: Path) -> None:
    data = read(table(tmp_path / "d", train=REVIEWS, validation=[*REVIEWS, ("odd", "strange")]))
    preparation = prepared(data)
    (line,) = skipped(preparation, data, "validation")
    assert line.endswith(
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
def test_a_bad_series_is_skipped_with_a_message(tmp_path: Path, values: Any, message: str) -> None:
    good = [{"values": [1, 2, 3], "label": "x"}, {"values": [3, 2], "label": "y"}]
    data = read(
        objects(tmp_path / "d", train=[*good, *good, {"values": values, "label": "x"}], validation=good)
    )
    preparation = prepared(data)
    (line,) = skipped(preparation, data, "train")
    assert "train.jsonl, line 5: `values` must " in line
    assert line.endswith(message)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "`labels` must be labels, a list or a text with | between. Got nothing."),
        ([["a"]], "`labels` must be labels, a list or a text with | between. Got [['a']]."),
        (1.5, "`labels` must be labels, a list or a text with | between. Got 1.5."),
    ],
)
def test_bad_labels_are_skipped_with_a_message(tmp_path: Path, labels: Any, message: str) -> None:
    good = [{"text": "x", "labels": ["a"]}, {"text": "y", "labels": ["b"]}]
    data = read(objects(tmp_path / "d", train=[*good, {"text": "z", "labels": labels}], validation=good))
    (line,) = skipped(prepared(data), data, "train")
    assert line.endswith(message)


def test_data_that_cannot_be_used(tmp_path: Path, reviews: Records) -> None:
    rows = [("a", "same"), ("b", "same")]
    with pytest.raises(DataError, match=r"expected at least two labels to tell apart\. Got same\."):
        prepared(read(table(tmp_path / "one", train=rows, validation=rows)))
    with pytest.raises(DataError, match=r"expected columns file, label\. Got text, label\."):
        prepared(reviews, input="audio")
    with pytest.raises(DataError, match=r"expected columns text, label\. Got title, label\."):
        prepared(read(objects(tmp_path / "no", train=[{"title": "a", "label": "b"}] * 3)))
    with pytest.raises(DataError, match=r"classify: `text` must be a text\. Got 5\."):
        prepared(reviews).encode(5)
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match=r"labels\.json: expected a file of the run\. Got No such file"):
        TASK.restore(tmp_path / "run", DataConfig())


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


def test_a_relative_file_is_beside_its_table(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted((sounds / "train").rglob("*.wav"))[:8] + sorted((sounds / "train").rglob("*.wav"))[-8:]
    rows = "".join(f"{file.relative_to(sounds)},{file.parent.name}\n" for file in files)
    (sounds / "train.csv").write_text(f"file,label\n{rows}")
    monkeypatch.chdir(tmp_path)  # not the folder of the table
    settings = ["model.hidden_size=4", "training.max_steps=1"]
    train(Path("sounds/train.csv"), settings=settings, out=Path("run"))
    answers = seqloom.load("run").predict(inputs_of("sounds/train.csv", "file"))
    assert len(answers) == 16
