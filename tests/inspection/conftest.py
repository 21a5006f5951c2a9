"""Run folders of all tasks, each trained once for a moment."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import seqloom
from seqloom.tasks import task_named

SETTINGS = {
    "model.hidden_size": 8,
    "model.num_layers": 1,
    "training.log_every": 1,
    "training.max_steps": 4,
    "training.validate_every": 2,
}
ROWS = {
    "classify": "text,label\n" + "a fine film,good\na dull film,bad\n" * 20,
    "translate": "source,target\n" + "a red dog,ka bo su\na cat runs,ka mi ru\n" * 20,
}
"""Data of a few rows; without them a task's toy data is taken"""


@pytest.fixture(scope="session")
def train_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, list[str]]]:
    """A run folder of a task, and what its training said."""

    @cache
    def train(name: str) -> tuple[Path, list[str]]:
        folder, lines = tmp_path_factory.mktemp(name), []
        data = folder / "data"
        data.mkdir()
        if name in ROWS:
            (data / "train.csv").write_text(ROWS[name])
        else:
            task_named(name).write_toy_data(data, 0)
        values_alone = {"data.exogenous": []} if name == "forecast" else {}
        settings = {**SETTINGS, **values_alone}
        run = seqloom.train(data, task=name, settings=settings, out=folder / "run", log=lines.append)
        return run.folder, lines

    return train
