"""Naive forecasts, M4's Naive2 with its test of seasonality, and what M4's own table says of them."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from seqloom.baselines.series.linear import fit_linear_lags
from seqloom.baselines.series.naive import (
    is_seasonal,
    naive2,
    naive_deviations,
    normal_quantiles,
    persistence,
    seasonal_indices,
    seasonal_naive,
)
from seqloom.data.read import read
from seqloom.data.series.arranging import arrange_series
from seqloom.data.series.options import SeriesConfig
from seqloom.data.series.table import SeriesTable
from seqloom.data.series.windows import rolling_windows, training_windows
from seqloom.metrics.forecast.errors import count_errors, scores, seasonal_errors


def test_the_last_value_reaches_every_step() -> None:
    history = numpy.arange(12.0).reshape(2, 6)
    assert persistence(history, 3).tolist() == [[5, 5, 5], [11, 11, 11]]
    assert seasonal_naive(history, 4, 6).tolist() == [[2, 3, 4, 5, 2, 3], [8, 9, 10, 11, 8, 9]]
    assert seasonal_naive(history[:, -2:], 4, 3).tolist() == [[4, 5, 4], [10, 11, 10]]
    assert seasonal_naive(history, 1, 2).tolist() == persistence(history, 2).tolist()


def test_classical_decomposition_by_the_lines_of_r() -> None:
    generator = numpy.random.default_rng(0)
    for season in (4, 7):
        pattern = generator.uniform(0.5, 2, season)
        y = (10 + numpy.arange(61) / 10) * numpy.tile(pattern, 61 // season + 1)[:61]
        y *= numpy.exp(0.02 * generator.standard_normal(61))
        weights = [0.5, 1, 1, 1, 0.5] if season == 4 else [1] * 7
        half = len(weights) // 2
        trend = [numpy.dot(weights, y[t - half : t + half + 1]) / season for t in range(half, 61 - half)]
        ratios = [(t % season, y[t] / trend[t - half]) for t in range(half, 61 - half)]
        figure = numpy.array([numpy.mean([r for place, r in ratios if place == n]) for n in range(season)])
        numpy.testing.assert_allclose(seasonal_indices(y, season), figure / figure.mean(), rtol=1e-12)


def test_seasonality_is_tested_at_90_percent() -> None:
    """By the lines of M4's R code, one lag after the other."""
    generator = numpy.random.default_rng(0)
    agreeing = []
    for strength in (0.0, 0.05, 0.1, 0.3, 1.0):
        for _ in range(10):
            y = strength * numpy.tile([1.0, 0, -1, 0], 20) + generator.standard_normal(80)
            centered = y - y.mean()
            acf = [sum(centered[lag:] * centered[: 80 - lag]) / sum(centered**2) for lag in range(1, 5)]
            limit = 1.645 / 80**0.5 * (1 + 2 * sum(r**2 for r in acf[:3])) ** 0.5
            assert is_seasonal(y, 4) == (abs(acf[3]) > limit)
            agreeing.append(is_seasonal(y, 4))
    assert 5 < sum(agreeing) < 45
    assert not is_seasonal(numpy.tile([1.0, 5, 2, 1], 2), 4)  # fewer than three seasons
    assert not is_seasonal(numpy.tile(numpy.arange(24.0), 3)[:72], 24)  # R's acf stops before lag 24
    assert not is_seasonal(numpy.full(40, 3.0), 4)


def test_naive2_goes_on_with_the_season_from_the_last_step() -> None:
    pattern = numpy.array([1.0, 5, 2, 1])
    y = numpy.tile(pattern, 10)[:38]
    numpy.testing.assert_allclose(naive2(y, 4, 6), [2, 1, 1, 5, 2, 1], rtol=1e-9)
    assert naive2(numpy.arange(5.0), 4, 2).tolist() == [4, 4]
    assert naive2(numpy.zeros(40), 4, 2).tolist() == [0, 0]
    assert numpy.isfinite(naive2(numpy.tile([0.0, 0, 0, 3], 10), 4, 4)).all()


def test_deviations_grow_with_the_season() -> None:
    history = numpy.array([[0.0, 0, 3, 4, numpy.nan, 8]])
    assert naive_deviations(history, 2, 4).round(3).tolist() == [[3.697, 3.697, 5.228, 5.228]]
    assert naive_deviations(history[:, :2], 2, 2).tolist() == [[0, 0]]
    quantiles = normal_quantiles(numpy.array([[1.0]]), numpy.array([[2.0]]), [0.1, 0.5, 0.9])
    assert quantiles.round(4).tolist() == [[[-1.5631, 1, 3.5631]]]


def test_m4_hourly_has_the_published_scores(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naive2 of the organizers: sMAPE 18.383, MASE 2.395 (M4-methods, hourly benchmarks)."""
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path))
    table = read(data_dir / "series" / "m4_hourly")
    assert isinstance(table, SeriesTable)
    data = arrange_series(table, SeriesConfig(frequency="h"))
    windows = rolling_windows(data.splits["test"], 48)
    assert len(windows.numbers) == 414
    targets = data.windows(windows.numbers, windows.stops, 48)
    pairs = zip(windows.numbers, windows.cutoffs, strict=True)
    histories = [data.series(number).y[:cutoff] for number, cutoff in pairs]
    scales = numpy.array([seasonal_errors(y, 24, numpy.array([len(y)]))[0] for y in histories])
    reference = numpy.stack([naive2(y, 24, 48) for y in histories])
    seasonal = numpy.concatenate([seasonal_naive(y[None], 24, 48) for y in histories])

    def measure(forecasts: numpy.ndarray) -> list[float]:
        counts = count_errors(targets, forecasts, scales, reference)
        measured = scores({name: rows.sum(0) for name, rows in counts.items()})
        return [round(measured[name], 3) for name in ("smape", "mase", "owa")]

    assert measure(reference) == [18.383, 2.395, 1.0]
    assert measure(seasonal) == [13.912, 1.193, 0.628]


def test_oil_temperature_by_the_published_split(data_dir: Path) -> None:
    """ETTh1 as Informer divides and standardizes it, all 2,857 windows: the MSE of what is trivial."""
    table = read(data_dir / "series" / "ETTh1.csv")
    assert isinstance(table, SeriesTable)
    config = {"max_steps": 14400, "validation_steps": 2880, "test_steps": 2880, "standardize": True}
    data = arrange_series(table, SeriesConfig(target="OT", exogenous=[], horizon=24, **config))
    windows = rolling_windows(data.splits["test"], 24)
    assert len(windows) == 2857
    targets = data.windows(windows.numbers, windows.stops, 24)
    history = data.windows(windows.numbers, windows.cutoffs, 336)
    train = training_windows(data.splits["train"], 336, 24)
    chunk = data.windows(train.numbers, train.stops, 360)
    [model] = fit_linear_lags([(chunk, numpy.ones(len(chunk)))], 336, [1.0])
    forecasts = {
        "persistence": persistence(history, 24),
        "seasonal naive": seasonal_naive(history, 24, 24),
        "ridge": model.forecast(history, numpy.ones(2857))[0],
    }
    measured = {name: round(float(((part - targets) ** 2).mean()), 4) for name, part in forecasts.items()}
    assert measured == {"persistence": 0.0343, "seasonal naive": 0.0458, "ridge": 0.026}
