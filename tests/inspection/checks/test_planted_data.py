"""Faults planted in data and answers: rows in two splits, shuffled labels, copies of the past, one answer."""
# ruff: noqa: ARG002  members of the contract of a task that need not all they are given

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from seqloom.data.tables.examples import Example
from seqloom.inference.predictor import Predictor
from seqloom.inspection.checks.lagged_copy import measure_copies
from seqloom.inspection.checks.overlap import near_duplicates
from seqloom.inspection.checks.overlap.near_duplicates import compare, find_near
from seqloom.inspection.checks.overlap.pieces import read_pieces
from seqloom.tasks import task_named
from seqloom.tasks.base import Output
from seqloom.tasks.forecasting import Forecast, PicturedSeries

from .conftest import answers, replaced, reviews, sentence, train_briefly, untrained, write_rows

OF_DATA = ("shared-examples", "near-duplicates")


def results(predictor: Predictor, path: Path, *names: str) -> dict[str, str]:
    return {name: result.result for name, result in answers(predictor, path, *names).items()}


def test_splits_that_share_nothing_fail_nothing(classifier: Predictor, texts: Path) -> None:
    assert results(classifier, texts, *OF_DATA) == {"shared-examples": "pass", "near-duplicates": "pass"}


def test_doubled_test_rows_are_named_with_their_number(classifier: Predictor, tmp_path: Path) -> None:
    train, test = reviews(60, 0), reviews(40, 2)
    spaced = [(text.replace(" ", "  "), label) for text, label in test[:5]]
    path = write_rows(tmp_path / "data", train=train + spaced, validation=reviews(8, 1), test=test)
    found = answers(classifier, path, *OF_DATA)
    assert found["shared-examples"].result == "fail"
    assert (
        "5 of 40 examples of test are among 65 of training (12.5%; allowed 1%)"
        in found["shared-examples"].evidence
    )
    assert found["shared-examples"].numbers["shared"] == 5
    assert found["near-duplicates"].result == "pass"


def test_near_duplicates_are_named_with_their_number(classifier: Predictor, tmp_path: Path) -> None:
    train = [
        (f"{sentence(random.Random(n))} {sentence(random.Random(-n - 1))} and more", "good")
        for n in range(40)
    ]
    test = [(f"{text.capitalize()}, today!", label) for text, label in train[:6]] + reviews(30, 2)
    path = write_rows(tmp_path / "data", train=train + reviews(40, 0), validation=reviews(8, 1), test=test)
    found = answers(classifier, path, *OF_DATA)
    assert found["shared-examples"].result == "pass"
    assert found["near-duplicates"].result == "fail"
    near = found["near-duplicates"].numbers["near"]
    assert near == sum(compare(text, train[n][0]) >= 0.8 for n, (text, _) in enumerate(test[:6])) >= 5


def test_near_duplicates_are_those_that_comparing_all_pairs_gives() -> None:
    """Of 150 texts with 0 to 4 words changed: none but those, and nearly all."""
    generator = random.Random(0)
    words = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in ("lm", "rn", "st", "ks")]
    others = [" ".join(generator.choices(words, k=20)) for _ in range(150)]
    texts = []
    for other in others:
        parts = other.split()
        for _ in range(generator.randrange(5)):
            parts[generator.randrange(20)] = generator.choice(words)
        texts.append(" ".join(parts))
    expected = {n for n, pair in enumerate(zip(texts, others, strict=True)) if compare(*pair) >= 0.8}
    pairs = find_near(texts, lambda: others)
    assert all(near.number == near.other and near.similarity >= 0.8 for near in pairs)
    assert {near.number for near in pairs} <= expected
    assert len(pairs) >= 0.97 * len(expected) > 40
    assert find_near(texts, list) == find_near([], lambda: others) == []


def test_texts_of_training_are_not_held_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of them at a time: 1,500 of 2,000 characters would be 3 MB."""
    monkeypatch.setattr(near_duplicates, "CHUNK", 2)

    def write(number: int) -> str:
        return " ".join(str(number * factor) for factor in range(1000, 1300))[:2000]

    def read() -> Iterator[str]:
        return map(write, range(1500))

    tracemalloc.start()
    pairs = find_near([f"{write(number)}, again" for number in (7, 1499)], read)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(near.number, near.other) for near in pairs] == [(0, 7), (1, 1499)]
    assert peak < 2_000_000


@pytest.mark.parametrize("split", ["train", "all"])
def test_what_was_learnt_is_not_compared_with_itself(writer: Predictor, novel: Path, split: str) -> None:
    for result in answers(writer, novel, *OF_DATA, "baseline", split=split).values():
        assert result.result == "not applicable" or result.name == "baseline"
    reason = f"the split {split} has what training has"
    assert answers(writer, novel, "near-duplicates", split=split)["near-duplicates"].evidence == reason


def test_lines_of_a_text_are_compared(writer: Predictor, tmp_path: Path) -> None:
    lines = [
        sentence(random.Random(number)) + " " + sentence(random.Random(-number - 1)) for number in range(150)
    ]
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "train.txt").write_text("\n".join(lines[:100]))
    (folder / "test.txt").write_text("\n".join(lines[100:]))
    assert results(writer, folder, "shared-examples") == {"shared-examples": "pass"}
    (folder / "test.txt").write_text("\n".join(lines[:10] + lines[100:]))
    found = answers(writer, folder, "shared-examples")["shared-examples"]
    assert found.result == "fail"
    assert found.numbers["shared"] == sum(len(line) >= 40 for line in lines[:10]) > 5


def test_shuffled_labels_do_not_beat_the_baseline(texts: Path, tmp_path: Path) -> None:
    rows = reviews(60, 0)
    labels = [label for _, label in rows]
    random.Random(0).shuffle(labels)
    shuffled = [(text, label) for (text, _), label in zip(rows, labels, strict=True)]
    path = write_rows(tmp_path / "data", train=shuffled, validation=reviews(8, 1), test=reviews(40, 2))
    sizes = {"hidden_size": 8, "embedding_size": 8}
    predictor = untrained("classify", path, tmp_path, model=sizes, data={"subwords": False})
    train_briefly(predictor, path, steps=20)
    found = answers(predictor, path, "baseline")
    assert found["baseline"].result == "fail"
    assert found["baseline"].evidence.startswith("accuracy 0.")
    assert "TF-IDF + logistic regression: " in found["baseline"].evidence


class Forecasts(type(task_named("forecast"))):  # type: ignore[misc]
    """A task whose model forecasts nothing, in the place of `forecast`."""

    def __init__(self, pictured: Sequence[PicturedSeries]) -> None:
        self.pictured = pictured

    def forecast(self, model: Any, data: Any, request: Any, context: Any) -> Forecast:
        return Forecast([], [], {}, pictured=self.pictured)


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week, and noise, for 40 series."""
    rows, generator = ["unique_id,ds,y"], numpy.random.default_rng(0)
    for number in range(8):
        y = 10 + 3 * numpy.sin(numpy.arange(90) * 2 * numpy.pi / 7) + generator.normal(size=90)
        days = numpy.datetime64("2024-01-01") + numpy.arange(90)
        rows += [f"s{number},{day},{value:.3f}" for day, value in zip(days, y, strict=True)]
    path = tmp_path_factory.mktemp("sales") / "sales.csv"
    path.write_text("\n".join(rows))
    return path


def pictured(copy: str) -> list[PicturedSeries]:
    """Forecasts that are nearly the last value, the values 7 steps before, or the truth and noise."""
    generator, series = numpy.random.default_rng(0), []
    for number in range(20):
        y = 10 + 3 * numpy.sin(numpy.arange(64) * 2 * numpy.pi / 7) + generator.normal(size=64)
        history, actual = y[:57], y[57:]
        mean = {"last": numpy.full(7, history[-1]), "lag": history[-7:], "truth": actual}[copy]
        mean = mean + generator.normal(size=7) * (1.0 if copy == "truth" else 0.1)
        series.append(PicturedSeries(f"s{number}", ["0"] * 64, history, {"mean": mean}, actual))
    return series


@pytest.mark.parametrize(
    ("copy", "result", "nearest"),
    [("last", "fail", "last value"), ("lag", "fail", "values 7 steps before"), ("truth", "pass", "")],
)
def test_a_lagged_copy_is_named(sales: Path, tmp_path: Path, copy: str, result: str, nearest: str) -> None:
    sizes = {"hidden_size": 4}
    predictor = untrained("forecast", sales, tmp_path, model=sizes, data={"horizon": 7, "season": 7})
    found = answers(replaced(predictor, task=Forecasts(pictured(copy))), sales, "lagged-copy")["lagged-copy"]
    assert found.result == result
    if nearest:
        assert found.numbers["nearest_copy"] == nearest
        assert found.numbers["ratio"] < 0.1


def test_the_last_value_of_a_random_walk_is_no_fault(sales: Path, tmp_path: Path) -> None:
    """Nothing simple does better, and where the walk has a week, the means of some weeks do."""
    predictor = untrained(
        "forecast", sales, tmp_path, model={"hidden_size": 4}, data={"horizon": 7, "season": 7}
    )
    for week, result in ((0.0, "pass"), (8.0, "fail")):
        generator, series = numpy.random.default_rng(1), []
        for number in range(40):
            y = generator.normal(size=120).cumsum() + week * numpy.sin(numpy.arange(120) * 2 * numpy.pi / 7)
            mean = numpy.full(7, y[112]) + 0.1 * generator.normal(size=7)
            series.append(PicturedSeries(f"s{number}", ["0"] * 120, y[:113], {"mean": mean}, y[113:]))
        found = answers(replaced(predictor, task=Forecasts(series)), sales, "lagged-copy")["lagged-copy"]
        assert (found.result, found.numbers["nearest_copy"]) == (result, "last value")
        assert found.numbers["ratio"] < 0.2
        assert (found.numbers["rival_share"] < 0.9) == (result == "fail")


def test_the_models_own_forecasts_are_measured(sales: Path, tmp_path: Path) -> None:
    sizes = {"hidden_size": 4}
    predictor = untrained("forecast", sales, tmp_path, model=sizes, data={"horizon": 7, "season": 7})
    found = answers(predictor, sales, "lagged-copy", "shared-examples", "answers")
    assert found["lagged-copy"].evidence.startswith("8 series: squared error against the truth ")
    assert {found[name].result for name in ("shared-examples", "answers")} == {"not applicable"}


def test_errors_of_copies_are_in_units_of_the_variance() -> None:
    history, actual = numpy.array([0.0, 2, 0, 2]), numpy.array([4.0, 0])
    series = PicturedSeries("s", [], history, {"mean": numpy.array([3.0, 1])}, actual)
    errors, correlation = measure_copies([series])
    lags = {"values 1 steps before": (1 + 9) / 2, "values 2 steps before": (9 + 1) / 2}
    assert errors == {"truth": 1.0, "last value": 1.0, **lags}
    assert correlation == pytest.approx(1.0)
    gone = series._replace(actual=numpy.full(2, numpy.nan))
    assert measure_copies([gone]) == ({}, 0.0)


class OneAnswer(type(task_named("translate"))):  # type: ignore[misc]
    def predict(self, model: Any, items: Sequence[Any], context: Any) -> list[Output]:
        return [Output("a man in a red shirt") for _ in items]


def test_one_answer_for_all_is_named(tmp_path: Path) -> None:
    generator = random.Random(0)
    folder = tmp_path / "pairs"
    folder.mkdir()
    for name, count in {"train": 30, "validation": 8, "test": 20}.items():
        pairs = [(text := sentence(generator), text.upper()) for _ in range(count)]
        (folder / f"{name}.tsv").write_text("source\ttarget\n" + "".join(f"{a}\t{b}\n" for a, b in pairs))
    sizes = {"hidden_size": 4, "embedding_size": 4, "num_layers": 1}
    predictor = untrained("translate", folder, tmp_path, model=sizes, data={"unit": "word"})
    found = answers(replaced(predictor, task=OneAnswer()), folder, "answers")["answers"]
    assert found.result == "fail"
    assert found.evidence == (
        "1 distinct answers to 20 inputs, the most frequent to 20: 'a man in a red shirt'; "
        "0 of them expect it, 100% of all do not (allowed 50%)"
    )


def test_sentences_without_a_name_have_the_same_tags(tmp_path: Path) -> None:
    """One answer is no fault where it is the expected one."""
    words = [*"abcdefghij"]
    for name, tags in {"right": ["O", "O"], "wrong": ["O", "B-PER"]}.items():
        folder = tmp_path / name
        folder.mkdir()
        for split in ("train", "test"):
            sentences = [
                f"{first} {tags[0]}\n{second} {tags[1]}\n" for first, second in permutations(words, 2)
            ]
            (folder / f"{split}.conll").write_text("x B-PER\ny O\n\n" + "\n".join(sentences))
        sizes = {"hidden_size": 4, "embedding_size": 4, "num_layers": 1}
        predictor = untrained("tag", folder, tmp_path, model=sizes)
        task = NoNames()
        found = answers(replaced(predictor, task=task), folder, "answers")["answers"]
        assert found.result == {"right": "pass", "wrong": "fail"}[name], found.evidence


class NoNames(type(task_named("tag"))):  # type: ignore[misc]
    def predict(self, model: Any, items: Sequence[Any], context: Any) -> list[Output]:
        return [Output("O O") for _ in items]


class Captions(type(task_named("caption"))):  # type: ignore[misc]
    """A task that writes the given captions."""

    texts: Sequence[str] = ()

    def predict(self, model: Any, items: Sequence[Any], context: Any) -> list[Output]:
        return [Output(self.texts[number % len(self.texts)]) for number in range(len(items))]


def test_one_caption_for_all_pictures_is_named(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path / "pictures"
    folder.mkdir()
    rows = ["file_name,text"]
    for number in range(24):
        image.new("RGB", (40, 40), (number * 10, 0, 90)).save(folder / f"{number}.png")
        rows += [f"{number}.png,a wall of paint", f"{number}.png,a plain wall"]
    (folder / "metadata.csv").write_text("\n".join(rows))
    sizes = {"hidden_size": 4, "embedding_size": 4, "num_layers": 1}
    data = {"encoder": "small-cnn", "min_count": 1}
    predictor = untrained("caption", folder, tmp_path, model=sizes, data=data)
    task = Captions()
    expected = [("fail", "a dog"), ("pass", "a dog", "a wall", "paint"), ("pass", "a wall of paint")]
    for result, *texts in expected:
        task.texts = texts
        found = answers(replaced(predictor, task=task), folder, "answers", split="train")["answers"]
        assert found.result == result


def test_a_pipe_by_the_name_of_a_picture_is_passed_over(tmp_path: Path) -> None:
    """It would be waited for."""
    os.mkfifo(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"a picture")
    examples = [Example("here", {"file": tmp_path / name}) for name in ("1.png", "2.png")]
    data = SimpleNamespace(examples=lambda split: examples)
    assert len(list(read_pieces(data, "test", "file"))) == 1
