"""Normalization: mean 0 and standard deviation 1, overall or per speaker, and JSON."""

from __future__ import annotations

import json

import numpy
import pytest

from seqloom.data.audio.normalizer import MIN_STD, Normalizer

FEATURES = 4


def make_rows(count: int, shift: float = 0.0, scale: float = 3.0) -> list[numpy.ndarray]:
    generator = numpy.random.default_rng(int(100 + shift))
    sizes = generator.integers(5, 30, size=count)
    return [(generator.normal(size=(n, FEATURES)) * scale + shift).astype("float32") for n in sizes]


def assert_normalized(features: numpy.ndarray) -> None:
    # Some hundred float32 numbers.
    numpy.testing.assert_allclose(features.mean(0), 0.0, atol=1e-5)
    numpy.testing.assert_allclose(features.std(0), 1.0, atol=1e-5)


def test_all_rows_together_have_mean_0_and_std_1() -> None:
    rows = make_rows(20, shift=5.0)
    normalizer = Normalizer.fit(rows)
    normalized = [normalizer.apply(row) for row in rows]
    assert_normalized(numpy.concatenate(normalized))
    assert normalized[0].dtype == numpy.float32
    assert not normalizer.is_by_speaker


def test_every_speaker_has_mean_0_and_std_1() -> None:
    rows = {"anna": make_rows(8, 5.0), "bob": make_rows(9, -3.0, scale=0.5)}
    names = [name for name, own in rows.items() for _ in own]
    normalizer = Normalizer.fit([row for own in rows.values() for row in own], names)
    for name, own in rows.items():
        assert_normalized(numpy.concatenate([normalizer.apply(row, name) for row in own]))
    assert normalizer.is_by_speaker


def test_a_new_speaker_is_normalized_by_their_own_rows() -> None:
    known, new = make_rows(8, 5.0), make_rows(6, -3.0)
    normalizer = Normalizer.fit(known, ["anna"] * 8)
    for row in new:
        assert_normalized(normalizer.apply(row, "carla"))  # by this row alone
    more = normalizer.with_speakers(new, ["carla"] * 6)
    assert_normalized(numpy.concatenate([more.apply(row, "carla") for row in new]))
    numpy.testing.assert_array_equal(more.apply(known[0], "anna"), normalizer.apply(known[0], "anna"))


def test_new_rows_do_not_change_a_known_speaker() -> None:
    normalizer = Normalizer.fit(make_rows(8, 5.0), ["anna"] * 8)
    more = normalizer.with_speakers(make_rows(8, 9.0), ["anna"] * 8)
    numpy.testing.assert_array_equal(more.speakers["anna"].mean, normalizer.speakers["anna"].mean)


def test_a_constant_feature_is_not_amplified() -> None:
    constant = numpy.full((10, FEATURES), -15.9, dtype="float32")
    normalizer = Normalizer.fit([constant])
    # float32: -15.9 has an error of 1e-6, and a std of 0.1 makes that 1e-5
    numpy.testing.assert_allclose(normalizer.apply(constant), 0.0, atol=1e-4)
    numpy.testing.assert_allclose(normalizer.apply(constant + 0.01), 0.01 / MIN_STD, rtol=1e-3)


def test_statistics_of_many_steps_are_exact() -> None:
    """In float32 sums, 300,000 steps of mean 1,000 would lose their standard deviation."""
    generator = numpy.random.default_rng(2)
    rows = [(generator.normal(size=(10_000, 1)) + 1000).astype("float32") for _ in range(30)]
    normalizer = Normalizer.fit(rows)
    assert normalizer.overall.std[0] == pytest.approx(numpy.concatenate(rows).std(dtype="float64"), rel=1e-6)


@pytest.mark.parametrize("speakers", [None, ["anna"] * 4 + ["bob"] * 4])
def test_json_round_trip_is_exact(speakers: list[str] | None) -> None:
    rows = make_rows(8, 5.0)
    normalizer = Normalizer.fit(rows, speakers)
    text = normalizer.to_json()
    json.loads(text)
    again = Normalizer.from_json(text)
    assert again.to_json() == text
    for speaker in (None, "anna", "nobody"):
        numpy.testing.assert_array_equal(again.apply(rows[0], speaker), normalizer.apply(rows[0], speaker))
