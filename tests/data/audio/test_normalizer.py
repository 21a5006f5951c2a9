"""Normalization: mean 0 and deviation 1, over everything or by speaker, and JSON."""

from __future__ import annotations

import json

import numpy
import pytest

from seqloom.data.audio.normalizer import LEAST_DEVIATION, Normalizer

FEATURES = 4


def rows(count: int, shift: float = 0.0, scale: float = 3.0) -> list[numpy.ndarray]:
    generator = numpy.random.default_rng(int(100 + shift))
    sizes = generator.integers(5, 30, size=count)
    return [(generator.normal(size=(n, FEATURES)) * scale + shift).astype("float32") for n in sizes]


def assert_normal(given: numpy.ndarray) -> None:
    # float32 numbers, some hundred of them
    numpy.testing.assert_allclose(given.mean(0), 0.0, atol=1e-5)
    numpy.testing.assert_allclose(given.std(0), 1.0, atol=1e-5)


def test_all_rows_together_have_mean_0_and_deviation_1() -> None:
    given = rows(20, shift=5.0)
    normalizer = Normalizer.fit(given)
    found = [normalizer.apply(row) for row in given]
    assert_normal(numpy.concatenate(found))
    assert found[0].dtype == numpy.float32
    assert not normalizer.is_by_speaker


def test_each_speaker_has_mean_0_and_deviation_1() -> None:
    given = {"anna": rows(8, 5.0), "bob": rows(9, -3.0, scale=0.5)}
    names = [name for name, own in given.items() for _ in own]
    normalizer = Normalizer.fit([row for own in given.values() for row in own], names)
    for name, own in given.items():
        assert_normal(numpy.concatenate([normalizer.apply(row, name) for row in own]))
    assert normalizer.is_by_speaker


def test_a_new_speaker_is_measured_by_what_is_heard_of_them() -> None:
    known, new = rows(8, 5.0), rows(6, -3.0)
    normalizer = Normalizer.fit(known, ["anna"] * 8)
    for row in new:
        assert_normal(normalizer.apply(row, "carla"))  # by this row alone
    more = normalizer.with_new(new, ["carla"] * 6)
    assert_normal(numpy.concatenate([more.apply(row, "carla") for row in new]))
    numpy.testing.assert_array_equal(more.apply(known[0], "anna"), normalizer.apply(known[0], "anna"))


def test_who_was_known_in_training_stays_as_they_were() -> None:
    normalizer = Normalizer.fit(rows(8, 5.0), ["anna"] * 8)
    more = normalizer.with_new(rows(8, 9.0), ["anna"] * 8)
    numpy.testing.assert_array_equal(more.speakers["anna"].mean, normalizer.speakers["anna"].mean)


def test_a_feature_that_does_not_move_is_not_blown_up() -> None:
    still = numpy.full((10, FEATURES), -15.9, dtype="float32")
    normalizer = Normalizer.fit([still])
    # float32: -15.9 has an error of 1e-6, a tenth of the least deviation makes that 1e-5
    numpy.testing.assert_allclose(normalizer.apply(still), 0.0, atol=1e-4)
    numpy.testing.assert_allclose(normalizer.apply(still + 0.01), 0.01 / LEAST_DEVIATION, rtol=1e-3)


def test_many_steps_lose_nothing() -> None:
    """Summed in float32, a million steps of mean 1,000 would have no deviation left."""
    generator = numpy.random.default_rng(2)
    given = [(generator.normal(size=(10_000, 1)) + 1000).astype("float32") for _ in range(30)]
    normalizer = Normalizer.fit(given)
    assert normalizer.overall.deviation[0] == pytest.approx(
        numpy.concatenate(given).std(dtype="float64"), rel=1e-6
    )


@pytest.mark.parametrize("speakers", [None, ["anna"] * 4 + ["bob"] * 4])
def test_json_keeps_every_number(speakers: list[str] | None) -> None:
    given = rows(8, 5.0)
    normalizer = Normalizer.fit(given, speakers)
    text = normalizer.to_json()
    json.loads(text)
    again = Normalizer.from_json(text)
    assert again.to_json() == text
    for speaker in (None, "anna", "nobody"):
        numpy.testing.assert_array_equal(again.apply(given[0], speaker), normalizer.apply(given[0], speaker))
