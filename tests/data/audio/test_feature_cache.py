"""FeatureCache: read once, said once, and too short is an error."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy
import pytest
import soundfile

from seqloom.data.audio.feature_cache import FeatureCache
from seqloom.data.audio.features import FeatureOptions, log_mel
from seqloom.errors import DataError

OPTIONS = FeatureOptions(num_mels=8, stacked_frames=2)


def noise(samples: int = 8000) -> numpy.ndarray:
    return (numpy.random.default_rng(0).normal(size=samples) * 0.1).astype("float32")


def test_steps_are_the_features_of_the_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(), 16000, subtype="FLOAT")
    found = FeatureCache(OPTIONS).steps(tmp_path / "a.wav")
    numpy.testing.assert_array_equal(found, log_mel(noise(), OPTIONS))


def test_a_file_of_the_data_is_read_once_and_one_that_a_person_gives_every_time(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(), 16000)
    recordings = FeatureCache(OPTIONS)
    first = recordings.steps(path)
    soundfile.write(path, noise(4000), 16000)
    assert recordings.steps(path) is first
    assert len(recordings.read(path)) < len(first)


def test_what_was_done_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    both = numpy.stack([noise(), noise()], axis=1)
    for name, samples, rate in [("a", both, 16000), ("b", both, 8000), ("c", noise(), 8000)]:
        soundfile.write(tmp_path / f"{name}.wav", samples, rate)
    recordings = FeatureCache(OPTIONS)
    with caplog.at_level(logging.WARNING, "seqloom"):
        for name in ("a", "b", "c", "b"):
            recordings.read(tmp_path / f"{name}.wav")
    assert [record.getMessage() for record in caplog.records] == [
        "2 channels averaged to one (said once, at a.wav)",
        "resampled from 8000 Hz to 16000 Hz (said once, at b.wav)",
    ]


def test_too_short_for_a_step(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(559), 16000)
    with pytest.raises(DataError, match=r"a\.wav: expected at least 35 ms of sound\. Got 34\.9 ms\."):
        FeatureCache(OPTIONS).steps(tmp_path / "a.wav")
    with pytest.raises(DataError, match=r"^metadata\.csv, line 2, a\.wav: expected at least 35 ms"):
        FeatureCache(OPTIONS).steps(tmp_path / "a.wav", "metadata.csv, line 2")
