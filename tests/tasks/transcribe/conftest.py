"""A data set of made-up recordings, and a model of it that can stream."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.inference.predictor import Predictor

from .recordings import WORDS, sentences, trained, write


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech")
    for seed, (split, count) in enumerate({"train": 60, "validation": 12, "test": 20}.items()):
        write(path / split, sentences(count, seed))
    return path


@pytest.fixture(scope="package")
def one_way(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("runs") / "one-way"
    return trained(folder, out, model={"bidirectional": False, "num_layers": 2})


@pytest.fixture
def speakers(tmp_path: Path) -> Path:
    columns = "file_name,transcription,speaker"
    for split, names in {"train": "ab", "validation": "ab", "test": "bc"}.items():
        rows = [(f"{n}.wav", f"go {WORDS[n % 5]},{names[n % 2]}") for n in range(6)]
        write(tmp_path / split, rows, columns)
    return tmp_path
