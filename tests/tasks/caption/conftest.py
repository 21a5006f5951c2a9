"""A captioner trained for a few steps on a few drawings."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom
from seqloom.inference.predictor import Predictor
from seqloom.tasks.caption import toy_data

SMALL = {"model.hidden_size": 32, "model.embedding_size": 16, "model.dropout": 0.0}


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings, few of them."""
    folder = tmp_path_factory.mktemp("shapes") / "shapes"
    counts = toy_data.COUNTS
    toy_data.COUNTS = {"train": 60, "validation": 12, "test": 12}
    try:
        seqloom.toy_data("caption", folder)
    finally:
        toy_data.COUNTS = counts
    return folder


@pytest.fixture(scope="session")
def captioner(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A model of an LSTM with adaptive attention."""
    run = tmp_path_factory.mktemp("runs") / "shapes"
    settings = {**SMALL, "model.attention": "adaptive", "training.max_steps": 12}
    return seqloom.train(shapes, settings=settings, out=run)
