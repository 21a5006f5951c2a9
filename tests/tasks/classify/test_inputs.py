"""The inputs of a classifier: words, subwords, pretrained vectors, series and recordings."""

from __future__ import annotations

import json
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
from seqloom.tasks.classify.config import DataConfig, ModelConfig
from seqloom.training.train import train

from .rows import TASK, context, objects, prepared, restore, table


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


def test_recordings_are_classified(sounds: Path, tmp_path: Path) -> None:
    settings = ["data.num_mels=20", "model.hidden_size=16", "training.max_steps=60", "training.batch_size=8"]
    folder, report = train(sounds, settings=[*settings, "training.learning_rate=0.01"], out=tmp_path / "run")
    assert report.metrics["accuracy"] == 1
    assert report.details["confusion"] == {"high": {"high": 4}, "low": {"low": 4}}
    (message,) = report.skipped
    assert "broken.wav" in message
    loaded = seqloom.load(folder)
    assert loaded.preparation.describe() == "20 mels at 8000 Hz in steps of 10 ms; labels: high, low"
    assert loaded.predict([sounds / "test/high/1.wav"])[0].text == "high"
    with pytest.raises(DataError, match=r"classify: `file` must be the path of a recording\. Got 7\."):
        loaded.predict([7])


def test_a_run_folder_of_before_loads(sounds: Path, tmp_path: Path) -> None:
    """Options of features and their normalizer were two files."""
    preparation = prepared(read(sounds))
    expected = preparation.encode(sounds / "test/high/1.wav")
    content = json.loads(preparation.files()["features.json"])
    (tmp_path / "labels.json").write_text(preparation.files()["labels.json"])
    (tmp_path / "features.json").write_text(json.dumps(content["options"]))
    (tmp_path / "normalizer.json").write_text(content["normalizer"])
    restored = TASK.restore(tmp_path, DataConfig())
    assert numpy.array_equal(restored.encode(sounds / "test/high/1.wav"), expected)
    (tmp_path / "features.json").write_text('{"hertz": 8000}')
    with pytest.raises(RunError, match=r"features\.json: expected features of a run\. Got sample_rate_hz: "):
        TASK.restore(tmp_path, DataConfig())


def test_spec_augment_is_for_training_only(sounds: Path) -> None:
    data = read(sounds)
    masked, plain = (prepared(data, spec_augment=on) for on in (True, False))
    settings = context(masked, dropout=0.0)
    model = TASK.build(masked, settings.model)
    batch = next(masked.source(data, "train", Batching(8)).batches(0))
    assert not torch.equal(*(TASK.loss(model, batch, None, settings).nats for _ in range(2)))
    evaluated = TASK.evaluate_batch(model, batch, None, settings).nats
    assert torch.equal(evaluated, TASK.loss(model, batch, None, context(plain, dropout=0.0)).nats)


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
