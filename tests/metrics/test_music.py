"""Statistics of tunes by hand, copies in any key, and overlapping areas."""

from __future__ import annotations

import math

import numpy
import pytest
from scipy.stats import gaussian_kde, norm

from seqloom.metrics.music import (
    Copies,
    bar_links,
    groove_consistency,
    note_ngrams,
    overlapping_area,
    pitch_class_entropy,
    polyphony,
    scale_consistency,
)

BARS = numpy.array([0, 4, 8, 12, 16])


def melody(*pitches: int) -> numpy.ndarray:
    """A note a step."""
    return numpy.array([[step, 1, pitch] for step, pitch in enumerate(pitches)])


def test_pitch_class_entropy() -> None:
    assert pitch_class_entropy(numpy.array([60, 72, 84])) == 0
    assert pitch_class_entropy(numpy.array([60, 60, 60, 67])) == pytest.approx(0.8113, abs=1e-4)
    assert pitch_class_entropy(numpy.arange(12)) == pytest.approx(math.log2(12))


def test_scale_consistency_knows_every_key() -> None:
    scale = numpy.array([0, 2, 4, 5, 7, 9, 11])
    for key in range(12):
        assert scale_consistency(scale + 60 + key) == 1
        assert scale_consistency(numpy.append(scale, [1]) + 60 + key) == 7 / 8


def test_polyphony_counts_sounding_time_only() -> None:
    onsets, durations = numpy.array([0, 0, 2, 20]), numpy.array([10, 4, 2, 10])
    assert polyphony(onsets, durations) == (10 + 4 + 2 + 10) / 20
    sounding = numpy.zeros(30, dtype=int)
    for onset, duration in zip(onsets, durations, strict=True):
        sounding[onset : onset + duration] += 1
    assert polyphony(onsets, durations) == sounding.sum() / (sounding > 0).sum()


def test_groove_consistency() -> None:
    onsets = numpy.array([0, 2, 4, 6, 8, 9, 10, 11])
    assert groove_consistency(onsets, BARS[:4], 1) == pytest.approx((1 + 0.5) / 2)
    assert math.isnan(groove_consistency(onsets, numpy.array([0, 4, 12]), 1))  # no two bars of one length
    assert groove_consistency(onsets, BARS[:4], 2) == 1  # steps of two: every one has an onset


def test_ngrams_do_not_depend_on_the_key_but_on_rhythm() -> None:
    tune = melody(60, 62, 64, 65, 67)
    assert note_ngrams(numpy.add(tune, [5, 0, 3]), 3) == note_ngrams(tune, 3)
    assert len(note_ngrams(tune, 3)) == 3
    assert note_ngrams(tune * [2, 1, 1], 3) != note_ngrams(tune, 3)
    assert note_ngrams(tune, 6) == []


def test_ngram_overlap() -> None:
    copies = Copies([(melody(*range(60, 70)), BARS)])
    assert copies.ngram_overlap(melody(*range(65, 75))) == 1
    assert copies.ngram_overlap(melody(*range(65, 73), 60)) == 0.5
    assert math.isnan(copies.ngram_overlap(melody(60, 62)))


def test_the_longest_run_is_in_one_key_throughout() -> None:
    tune = melody(60, 62, 64, 65, 67, 69, 71, 72, 74, 72, 71, 69, 67, 65, 64, 60)
    copies = Copies([(tune, BARS)])
    assert copies.longest_run(tune, BARS) == 4
    assert copies.longest_run(numpy.add(tune, [0, 0, 7]), BARS) == 4
    shifted = tune.copy()
    shifted[8:, 2] += 2  # each half is there, not one after the other in this way
    assert copies.longest_run(shifted, BARS) == 2
    assert copies.longest_run(melody(60, 60, 60, 60), BARS[:2]) == 0
    assert copies.longest_run(tune * [1, 2, 1], BARS) == 0  # other durations


def test_bars_without_notes_are_no_run() -> None:
    sparse = numpy.array([[0, 1, 60], [8, 1, 60]])
    assert Copies([(sparse, BARS)]).longest_run(sparse, BARS) == 1
    assert [content is None for content, _ in bar_links(sparse, BARS)] == [False, True, False, True]


def test_overlapping_area_is_that_of_kernel_densities() -> None:
    draw = numpy.random.default_rng(0)
    values, others = draw.normal(0, 1, 200), draw.normal(1, 2, 300)
    grid = numpy.linspace(-15, 15, 3001)
    densities = [
        gaussian_kde(part, len(part) ** -0.2 * numpy.sqrt((len(part) - 1) / len(part)))(grid)
        for part in (values, others)
    ]
    expected = numpy.trapezoid(numpy.minimum(*densities), grid)
    assert overlapping_area(values, others) == pytest.approx(expected, abs=1e-3)  # of a grid of 512 points
    assert overlapping_area(others, values) == overlapping_area(values, others)
    exact = norm.cdf(-0.5) * 2  # two normal densities, one deviation apart
    far = overlapping_area(draw.normal(0, 1, 20_000), draw.normal(1, 1, 20_000))
    assert far == pytest.approx(exact, abs=0.02)  # of 20,000 draws


@pytest.mark.parametrize(
    ("values", "others", "expected"),
    [([1, 1], [1, 1, 1], 1.0), ([1, 1], [2, 2], 0.0), ([1, 1, math.nan], [1], 1.0)],
)
def test_sets_of_equal_values(values: list[float], others: list[float], expected: float) -> None:
    area = overlapping_area(numpy.array(values, dtype=float), numpy.array(others, dtype=float))
    assert area == pytest.approx(expected, abs=1e-3)


def test_the_area_with_nothing_is_not_known() -> None:
    assert math.isnan(overlapping_area(numpy.array([math.nan]), numpy.array([1.0])))
