"""Faults of a training are named; that healthy ones have none, test_healthy_runs.py of the checks says."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

import seqloom
from seqloom.inspection.diagnosis import diagnose
from seqloom.training.train import train

SMALL = {"model.hidden_size": 12, "data.subwords": False}
CLASSIFY = {
    "model.hidden_size": 48,
    "model.embedding_size": 32,
    "model.dropout": 0.1,
    "training.batch_size": 32,
    "training.max_steps": 300,
    "training.learning_rate": 4e-3,
    "training.patience": None,
    "training.log_every": 10,
}


def verdict_names(run: Path) -> list[str]:
    return [verdict.name for verdict in diagnose(run).verdicts]


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviews")
    seqloom.toy_data("classify", folder)
    return folder


def rows_of(folder: Path, split: str) -> list[dict[str, str]]:
    with next(folder.glob(f"{split}.*")).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t" if file.name.endswith(".tsv") else ","))


def write_rows(folder: Path, split: str, rows: list[dict[str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_doubled_test_rows_are_leaking(reviews: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    test = rows_of(reviews, "test")
    write_rows(data, "train", rows_of(reviews, "train")[:300] + test[:150])
    write_rows(data, "validation", rows_of(reviews, "validation"))
    write_rows(data, "test", test)
    train(data, settings={**SMALL, "training.max_steps": 2}, out=tmp_path / "run")
    names = verdict_names(tmp_path / "run")
    assert "leaking" in names


@pytest.mark.slow
def test_shuffled_labels_teach_nothing(reviews: Path, tmp_path: Path) -> None:
    """A large model learns them by heart, which validation says."""
    data = tmp_path / "data"
    draw = random.Random(0)
    for split in ("train", "validation", "test"):
        rows = rows_of(reviews, split)
        labels = [row["label"] for row in rows]
        draw.shuffle(labels)
        write_rows(
            data, split, [{**row, "label": label} for row, label in zip(rows, labels, strict=True)][:600]
        )
    train(data, settings={**CLASSIFY, "model.dropout": 0.0, "model.word_dropout": 0.0}, out=tmp_path / "run")
    names = verdict_names(tmp_path / "run")
    assert "not better than the baseline" in names
    assert "overfit" in names
