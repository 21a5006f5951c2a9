"""FeatureCache: files are read once, conversions reported once, and too short files are errors."""

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


def test_load_gives_the_features_of_the_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(), 16000, subtype="FLOAT")
    features = FeatureCache(OPTIONS).load(tmp_path / "a.wav")
    numpy.testing.assert_array_equal(features, log_mel(noise(), OPTIONS))


def test_load_reads_a_file_once_and_extract_every_time(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(), 16000)
    cache = FeatureCache(OPTIONS)
    first = cache.load(path)
    soundfile.write(path, noise(4000), 16000)
    assert cache.load(path) is first
    assert len(cache.extract(path)) < len(first)


def test_each_conversion_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    both = numpy.stack([noise(), noise()], axis=1)
    for name, samples, rate in [("a", both, 16000), ("b", both, 8000), ("c", noise(), 8000)]:
        soundfile.write(tmp_path / f"{name}.wav", samples, rate)
    cache = FeatureCache(OPTIONS)
    with caplog.at_level(logging.WARNING, "seqloom"):
        for name in ("a", "b", "c", "b"):
            cache.extract(tmp_path / f"{name}.wav")
    assert [record.getMessage() for record in caplog.records] == [
        "2 channels averaged to one (first in a.wav; not repeated for other files)",
        "resampled from 8000 Hz to 16000 Hz (first in b.wav; not repeated for other files)",
    ]


def test_audio_shorter_than_a_step_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(559), 16000)
    with pytest.raises(DataError, match=r"a\.wav: expected at least 35 ms of audio\. Got 34\.9 ms\."):
        FeatureCache(OPTIONS).load(tmp_path / "a.wav")
    with pytest.raises(DataError, match=r"^metadata\.csv, line 2, a\.wav: expected at least 35 ms"):
        FeatureCache(OPTIONS).load(tmp_path / "a.wav", "metadata.csv, line 2")
