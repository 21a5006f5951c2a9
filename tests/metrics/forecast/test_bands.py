"""Coverage and width of bands, and their calibration on data that training did not see."""

from __future__ import annotations

import numpy
import pytest

from seqloom.errors import ConfigError
from seqloom.metrics.forecast.bands import calibrate, count_coverage, coverage_scores, fit_calibration

NAN = numpy.nan


def test_coverage_and_width() -> None:
    targets = numpy.array([[1.0, 5.0, NAN], [2.0, 2.0, 2.0]])
    lower = numpy.zeros((2, 3, 2))
    upper = numpy.stack([numpy.full((2, 3), 2.0), numpy.full((2, 3), 6.0)], axis=2)
    counts = count_coverage(targets, lower, upper)
    found = coverage_scores(counts["covered"].sum(0), counts["width"].sum(0), 5, [80, 99.5])
    assert found == {"coverage_80": 0.8, "width_80": 2.0, "coverage_99.5": 1.0, "width_99.5": 6.0}
    assert coverage_scores(numpy.zeros(1), numpy.zeros(1), 0, [80]) == {}


def test_a_band_that_is_nan_covers_nothing_and_is_infinitely_wide() -> None:
    counts = count_coverage(numpy.ones((1, 1)), numpy.full((1, 1, 1), NAN), numpy.full((1, 1, 1), 9.0))
    assert (counts["covered"].item(), counts["width"].item()) == (0, numpy.inf)


@pytest.mark.parametrize("width", [0.2, 5.0])
def test_calibrated_bands_hold_what_they_should(width: float) -> None:
    """Noise grows with the step and with the size of a series; bands begin too narrow, or too wide."""
    generator = numpy.random.default_rng(0)
    sizes = generator.uniform(1e-3, 1e3, 4000)
    steps = numpy.arange(1, 4)
    y = sizes[:, None] * steps * generator.standard_normal((4000, 3))
    lower = numpy.repeat(-width * sizes[:, None], 3, axis=1)
    fitted, fresh = slice(0, 2000), slice(2000, 4000)
    offsets = fit_calibration(y[fitted], lower[fitted], -lower[fitted], sizes[fitted], 80)
    low, high = calibrate(lower[fresh], -lower[fresh], sizes[fresh], offsets)
    coverage = ((low <= y[fresh]) & (y[fresh] <= high)).mean(0)
    # Three deviations of a share of 0.8 of 2,000, of which the calibration has one of its own
    numpy.testing.assert_allclose(coverage, 0.8, atol=3 * (2 * 0.8 * 0.2 / 2000) ** 0.5)


def test_the_quantile_is_that_of_split_conformal_prediction() -> None:
    y = numpy.arange(1.0, 10.0)[:, None]
    nothing, ones = numpy.zeros((9, 1)), numpy.ones(9)
    assert fit_calibration(y, nothing, nothing, ones, 90).tolist() == [9]  # the 9th of 9: ceil(10 x 0.9)
    assert fit_calibration(y, nothing, nothing, ones, 50).tolist() == [5]


def test_too_few_scores_of_a_step_are_taken_together() -> None:
    y = numpy.array([[1.0, NAN], [2.0, 20.0], [3.0, NAN], [4.0, NAN]])
    nothing, ones = numpy.zeros((4, 2)), numpy.ones(4)
    assert fit_calibration(y, nothing, nothing, ones, 80).tolist() == [4, 20]
    assert fit_calibration(y, nothing, nothing, ones, 99).tolist() == [20, 20]
    assert fit_calibration(numpy.full((2, 2), NAN), nothing[:2], nothing[:2], ones[:2], 80).tolist() == [0, 0]


def test_a_band_that_is_narrowed_too_far_is_its_middle() -> None:
    low, high = calibrate(numpy.zeros((1, 1)), numpy.full((1, 1), 4.0), numpy.ones(1), numpy.array([-3.0]))
    assert (low.item(), high.item()) == (2, 2)


def test_a_level_is_in_percent() -> None:
    ones = numpy.ones((2, 1))
    with pytest.raises(ConfigError, match=r"^level: must be between 0 and 100 percent\. Got 100\.$"):
        fit_calibration(ones, ones, ones, numpy.ones(2), 100)
