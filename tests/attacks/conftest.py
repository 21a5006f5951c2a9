"""A small trained run, and a copy of it to be damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 40)
    settings = ["model.hidden_size=8", "training.window=16", "training.batch_size=4", "training.max_steps=1"]
    return seqloom.train(folder / "text.txt", settings=settings, out=folder / "run").folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    for file in trained.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path
