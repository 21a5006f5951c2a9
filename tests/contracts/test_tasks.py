"""Every task keeps the contract: eight members, a preparation that is JSON, and a batch learnt by heart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from seqloom.data.read import read
from seqloom.tasks import TASKS, infer, task_named
from seqloom.tasks.contract import Batching, Task
from seqloom.training.config import resolve

SHAPES = {"one-to-one", "one-to-many", "many-to-one", "many-to-many"}

pytestmark = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


@pytest.fixture
def path(task: Task, tmp_path: Path) -> Path:
    """A little data of the task's kind."""
    assert task.name == "generate", "give the new task a little data here"
    file = tmp_path / "data.txt"
    file.write_text("to be or not to be, that is the question\n" * 30)
    return file


def test_it_is_known_by_its_name_and_has_a_shape(task: Task) -> None:
    assert task_named(task.name) is task
    assert task.shape in SHAPES


def test_its_data_is_recognised(task: Task, path: Path) -> None:
    assert [found for found, _ in infer(TASKS, read(path))] == [task]


def test_its_preparation_is_json(task: Task, path: Path, tmp_path: Path) -> None:
    config = resolve(task, [])
    preparation = task.prepare(read(path), config.data)
    for name, content in preparation.files().items():
        json.loads(content)
        (tmp_path / name).write_text(content)
    assert task.restore(tmp_path, config.data).files() == preparation.files()


def test_one_batch_is_learnt_by_heart(task: Task, path: Path) -> None:
    config = resolve(task, [{"model": {"hidden_size": 64, "num_layers": 1, "dropout": 0.0}}])
    data = read(path)
    preparation = task.prepare(data, config.data)
    model = task.build(preparation, config.model)
    batch = next(preparation.source(data, "train", Batching(batch_size=2, window=40)).batches(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(120):
        loss = task.loss(model, batch, None)
        (loss.nats.sum() / loss.units.sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert (loss.nats.sum() / loss.units.sum()).item() < 0.1  # it began near log(17) = 2.8


def test_every_row_is_charged_for_itself_alone(task: Task, path: Path) -> None:
    config = resolve(task, [])
    data = read(path)
    preparation = task.prepare(data, config.data)
    model = task.build(preparation, config.model).double().eval()
    batch = next(preparation.source(data, "train", Batching(batch_size=3, window=8)).batches(0))
    together = task.loss(model, batch, None)
    for row in range(3):
        alone = task.loss(model, type(batch)(*(part[row : row + 1] for part in batch)), None)
        # the loss itself is float32: eight terms near 2.8
        torch.testing.assert_close(alone.nats[0], together.nats[row], rtol=1e-6, atol=1e-6)
