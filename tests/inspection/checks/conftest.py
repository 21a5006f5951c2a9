"""Tiny data sets, models of them that nobody trained, and one's own modules in the place of theirs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from seqloom.data.batching import Batching
from seqloom.inference.predictor import Predictor
from seqloom.inspection.checks.checking import answer
from seqloom.inspection.checks.finding import CheckResult
from seqloom.inspection.checks.sampling.subject import Subject
from seqloom.inspection.checks.table import CHECKS
from seqloom.runs.config import resolve
from seqloom.tasks import task_named
from seqloom.tasks.base import Task

WORDS = [
    f"{first}{last}" for first in ("ba", "ko", "mi", "tu", "ze") for last in ("lon", "rax", "sif", "tem")
]


def untrained(task: Task | str, path: Path, folder: Path, **parts: dict[str, Any]) -> Predictor:
    """A model as it is before training."""
    task = task_named(task) if isinstance(task, str) else task
    config = resolve(task, [parts])
    data = config.read(path)
    preparation = task.prepare(data, config.data)
    torch.manual_seed(0)
    model = task.build(preparation, config.model).eval()
    return Predictor(folder, config, "", preparation, model)


def train_briefly(predictor: Predictor, path: Path, steps: int) -> None:
    """A few steps of the model, without a run folder."""
    task, context = predictor.config.task, predictor.context()
    data = predictor.config.read(path)
    optimizer = torch.optim.AdamW(predictor.model.parameters(), lr=0.02)
    source = predictor.preparation.source(data, "train", Batching(16))
    for step in range(steps):
        batch = next(source.batches(step))
        loss = task.loss(predictor.model.train(), batch, None, context)
        (loss.nats.sum() / loss.units.sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    predictor.model.eval()


def replaced(
    predictor: Predictor, model: Any = None, task: Any = None, folder: Path | None = None
) -> Predictor:
    """The same with another model or another task."""
    config = predictor.config if task is None else predictor.config._replace(task=task)
    model = predictor.model if model is None else model.eval()
    return Predictor(predictor.folder, config, "", predictor.preparation, model)


def answers(predictor: Predictor, path: Path, *names: str, split: str = "") -> dict[str, CheckResult]:
    """What these checks find, applicable or not."""
    config = predictor.config
    data = config.task.divide(predictor.preparation, config.read(path))
    split = split or ("test" if "test" in data.splits else "validation")
    subject = Subject(predictor, data, split)
    return {item.name: answer(item, subject) for item in CHECKS if item.name in names}


def failed(predictor: Predictor, path: Path, *names: str) -> set[str]:
    """Those of these checks that fail."""
    results = answers(predictor, path, *names)
    assert results.keys() == set(names)
    return {name for name, result in results.items() if result.result == "fail"}


def sentence(generator: random.Random) -> str:
    """Of 2 to 14 words, none of which means anything."""
    return " ".join(generator.choices(WORDS, k=generator.randint(2, 14)))


def write_rows(folder: Path, **splits: list[tuple[str, str]]) -> Path:
    """A table of texts and labels for each split."""
    folder.mkdir(exist_ok=True)
    for name, rows in splits.items():
        (folder / f"{name}.tsv").write_text("text\tlabel\n" + "".join(f"{a}\t{b}\n" for a, b in rows))
    return folder


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts whose label is `good` where a word for it is in them."""
    generator = random.Random(seed)
    rows = []
    for number in range(count):
        label = "good" if number % 2 else "bad"
        words = sentence(generator).split()
        words.insert(generator.randrange(len(words)), {"good": "fine", "bad": "dull"}[label])
        rows.append((" ".join(words), label))
    return rows


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reviews of made-up words."""
    splits = {"train": reviews(60, 0), "validation": reviews(20, 1), "test": reviews(40, 2)}
    return write_rows(tmp_path_factory.mktemp("texts") / "reviews", **splits)


@pytest.fixture(scope="session")
def classifier(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A classifier of them."""
    folder = tmp_path_factory.mktemp("classifier")
    model = {"hidden_size": 6, "embedding_size": 5}
    return untrained("classify", texts, folder, model=model, data={"subwords": False})


@pytest.fixture(scope="session")
def novel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text."""
    generator = random.Random(3)
    path = tmp_path_factory.mktemp("novel") / "novel.txt"
    path.write_text("\n".join(sentence(generator) for _ in range(200)))
    return path


@pytest.fixture(scope="session")
def writer(novel: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A language model of it."""
    folder = tmp_path_factory.mktemp("writer")
    return untrained(
        "generate", novel, folder, model={"hidden_size": 6, "num_layers": 1, "embedding_size": 5}
    )
