"""Ridge regression on lags: scikit-learn's, one pass in chunks, of series of any size."""

from __future__ import annotations

import numpy
from sklearn.linear_model import Ridge

from seqloom.baselines.series.linear import choose_linear_lags, fit_linear_lags, window_scales


def waves(count: int, length: int) -> numpy.ndarray:
    generator = numpy.random.default_rng(0)
    phases = generator.uniform(0, 7, (count, 1))
    return numpy.sin(0.4 * numpy.arange(length) + phases) + 0.2 * generator.standard_normal((count, length))


def test_it_is_ridge_regression() -> None:
    windows, scales = waves(300, 12), numpy.full(300, 2.0)
    [model] = fit_linear_lags([(windows[:100], scales[:100]), (windows[100:], scales[100:])], 8, [5.0])
    inputs, targets = (windows[:, :8] - windows[:, 7:8]) / 2, (windows[:, 8:] - windows[:, 7:8]) / 2
    ridge = Ridge(alpha=5.0 * 300 / 1000).fit(inputs, targets)
    numpy.testing.assert_allclose(
        model.weights[:-1], ridge.coef_.T, atol=1e-6
    )  # its intercept is not centered
    mean, deviation = model.forecast(windows[:, :8], scales)
    numpy.testing.assert_allclose(mean, windows[:, 7:8] + 2 * ridge.predict(inputs), atol=1e-6)
    residuals = (mean - windows[:, 8:]).std(0)
    numpy.testing.assert_allclose(deviation[0], residuals, rtol=1e-2)  # of a mean of almost 0


def test_series_of_any_size_are_forecast_alike() -> None:
    windows = waves(200, 12)
    [model] = fit_linear_lags([(windows, numpy.ones(200))], 8, [1.0])
    usual = model.forecast(windows[:5, :8], numpy.ones(5))[0]
    for size in (1e9, 1e-9):
        mean, _ = model.forecast(size * windows[:5, :8] + 3 * size, numpy.full(5, size))
        numpy.testing.assert_allclose(mean, size * usual + 3 * size, rtol=1e-9)


def test_the_last_value_moves_the_forecast_and_a_line_goes_on() -> None:
    steps = numpy.arange(12.0) * numpy.linspace(-1, 2, 50)[:, None]
    [model] = fit_linear_lags([(steps, numpy.ones(50))], 8, [1e-6])
    ahead = model.forecast(numpy.arange(1.0, 9.0)[None], numpy.ones(1))[0]
    numpy.testing.assert_allclose(ahead, [[9, 10, 11, 12]], rtol=1e-5)
    moved = numpy.arange(1.0, 9.0)[None]
    moved[0, -1] += 1
    assert (model.forecast(moved, numpy.ones(1))[0] > ahead + 0.1).all()


def test_windows_with_gaps_in_their_targets_are_left_out() -> None:
    windows = waves(100, 12)
    gaps = windows.copy()
    gaps[50:, 10] = numpy.nan
    [whole], [half] = (
        fit_linear_lags([(part, numpy.ones(len(part)))], 8, [1.0]) for part in (windows[:50], gaps)
    )
    numpy.testing.assert_allclose(whole.weights, half.weights, rtol=1e-9)
    assert fit_linear_lags([(gaps[50:], numpy.ones(50))], 8) == []
    assert fit_linear_lags([], 8) == []


def test_alpha_is_chosen_on_windows_that_were_held_out() -> None:
    windows = numpy.random.default_rng(0).standard_normal((60, 30)).cumsum(1)
    models = fit_linear_lags([(windows[:40], numpy.ones(40))], 24, [1e-3, 1e6])
    chosen = choose_linear_lags(models, windows[40:, :24], windows[40:, 24:], numpy.ones(20))
    assert chosen.alpha == 1e6  # of a random walk nothing is learned


def test_sizes_of_windows() -> None:
    assert window_scales(numpy.array([[1.0, 5, 3], [2, 2, 2], [0, 0, 0]])).tolist() == [4 / 3, 1, 1]
