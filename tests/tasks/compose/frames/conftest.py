"""Made-up piano rolls, and a model of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom
from seqloom.data.music.dataset import Music
from seqloom.data.read import read
from seqloom.inference.predictor import Predictor
from seqloom.training.train import train

from .rolls import SETTINGS, write_rolls


@pytest.fixture(scope="package")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rolls(tmp_path_factory.mktemp("rolls") / "rolls.json")


@pytest.fixture(scope="package")
def data(path: Path) -> Music:
    music = read(path)
    assert isinstance(music, Music)
    return music


@pytest.fixture(scope="package")
def trained(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder, report = train(path, settings=SETTINGS, out=tmp_path_factory.mktemp("runs") / "frames")
    assert report.is_better
    return seqloom.load(folder)
