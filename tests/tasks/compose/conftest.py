"""A small model of made-up tunes, trained once for all tests of the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom
from seqloom.inference.predictor import Predictor

SETTINGS = {
    "model.hidden_size": 48,
    "model.embedding_size": 24,
    "training.max_steps": 150,
    "training.batch_size": 8,
    "training.window": 64,
    "training.learning_rate": 0.01,
    "decoding.bars": 4,
    "decoding.report_tunes": 6,
}


@pytest.fixture(scope="session")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of made-up tunes."""
    folder = tmp_path_factory.mktemp("tunes")
    seqloom.toy_data("compose", folder)
    return folder


@pytest.fixture(scope="session")
def trained(tunes: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """A model of them."""
    return seqloom.train(tunes, settings=SETTINGS, out=tmp_path_factory.mktemp("run") / "run")
