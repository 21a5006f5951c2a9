"""Data sets of reviews and of tones, and pretrained vectors."""

from __future__ import annotations

import math
from pathlib import Path

import numpy
import pytest

from seqloom.data.read import read
from seqloom.data.tables.records import Records

from .rows import REVIEWS, table


@pytest.fixture
def reviews(tmp_path: Path) -> Records:
    data = read(table(tmp_path / "reviews", train=REVIEWS * 4, validation=REVIEWS, test=REVIEWS))
    assert isinstance(data, Records)
    return data


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Low and high tones at 8 kHz, and a file that is no audio."""
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("kaldi_native_fbank")
    folder, generator = tmp_path / "sounds", numpy.random.default_rng(0)
    for split, count in {"train": 24, "validation": 8, "test": 8}.items():
        for number in range(count):
            label = ("low", "high")[number % 2]
            hertz = generator.uniform(200, 300) if label == "low" else generator.uniform(1500, 2500)
            time = numpy.arange(int(generator.integers(1200, 2400))) / 8000
            sound = 0.3 * numpy.sin(2 * math.pi * hertz * time) + generator.normal(0, 0.01, len(time))
            (folder / split / label).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / split / label / f"{number}.wav", sound, 8000)
    (folder / "test/low/broken.wav").write_bytes(b"no sound")
    return folder


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    file = tmp_path / "vectors.txt"
    file.write_text("film 1 2 3 4\nfine 5 6 7 8\ndog 0 0 0 0\n")
    return file
