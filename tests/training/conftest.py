"""A small text that a small model learns in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

SMALL = (
    "model.hidden_size=16",
    "model.num_layers=1",
    "training.batch_size=4",
    "training.window=16",
    "training.log_every=5",
)


def write_small_text(folder: Path) -> Path:
    """`text.txt` in `folder`."""
    file = folder / "text.txt"
    file.write_text("the quick brown fox jumps over the lazy dog, and then it sleeps.\n" * 40)
    return file


@pytest.fixture
def small_text(tmp_path: Path) -> Path:
    return write_small_text(tmp_path)
