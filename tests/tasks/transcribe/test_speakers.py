"""Normalization by speaker."""

from __future__ import annotations

from pathlib import Path

import numpy

from seqloom.data.batching import Batching

from .recordings import prepared


def test_speakers_are_normalized_by_their_own_recordings(speakers: Path) -> None:
    case = prepared(speakers, data={"normalization": "speaker"})
    assert set(case.preparation.input.normalizer.speakers) == {"a", "b"}
    source = case.preparation.source(case.data, "test", Batching(8, training=False))
    (batch,) = source.batches(0)
    features_by_speaker: dict[str, list[numpy.ndarray]] = {"b": [], "c": []}
    for features, length, file in zip(batch.features, batch.lengths, batch.files, strict=True):
        features_by_speaker["bc"[int(file[0]) % 2]].append(features[:length].numpy())
    new = numpy.concatenate(features_by_speaker["c"])  # measured by these rows
    numpy.testing.assert_allclose(new.mean(0), 0.0, atol=1e-5)  # float32
    known = numpy.concatenate(features_by_speaker["b"])  # measured in training
    assert abs(known.mean(0)).max() > 0.01


def test_a_single_file_is_normalized_by_itself(speakers: Path) -> None:
    case = prepared(speakers, data={"normalization": "speaker"})
    steps = case.preparation.normalize(case.preparation.encode(speakers / "test" / "0.wav"))
    numpy.testing.assert_allclose(steps.mean(0), 0.0, atol=1e-5)  # float32
