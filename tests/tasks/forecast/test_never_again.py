"""What users of other forecasting packages complain about most: none of it happens here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from seqloom.inference.predictor import Predictor
from seqloom.tasks.forecasting import Forecast

from .conftest import weekly, write_series

Trained = Callable[..., Predictor]


def means(forecast: Forecast, horizon: int = 4) -> dict[str, numpy.ndarray]:
    """The point forecasts by series."""
    names = list(forecast.unique_id)[::horizon]
    return dict(zip(names, forecast.columns["mean"].reshape(-1, horizon), strict=True))


@pytest.mark.parametrize("steps", ["direct", "autoregressive"])
def test_the_last_observed_value_reaches_the_forecast(trained: Trained, tmp_path: Path, steps: str) -> None:
    model = trained(model__steps=steps)
    y = weekly(40)
    changed = y.copy()
    changed[-1] += 30
    file = write_series(tmp_path / "two.csv", {"a": y, "b": changed})
    forecast = means(model.forecast(file, num_samples=20))
    assert (numpy.abs(forecast["a"] - forecast["b"]) > 1e-3).all()


def test_a_straight_line_is_continued(tmp_path: Path) -> None:
    """1, 2, 3 …: the first step of the forecast comes after the last value, not after the one before it."""
    from seqloom.training.train import train

    lines = {f"line{n}": numpy.arange(1.0, 61) * (n + 1) for n in range(4)}
    file = write_series(tmp_path / "lines.csv", lines)
    settings = {"data.horizon": 4, "data.season": 1, "model.linear_steps": 4, "model.output": "mae"}
    settings |= {"model.hidden_size": 8, "training.max_steps": 150, "training.learning_rate": 0.01}
    settings |= {"training.averaging": 0.9, "training.validate_every": 50}
    settings |= {"data.context": 12, "data.forks": 12}
    folder, _ = train(file, task="forecast", settings=settings, out=tmp_path / "run")
    import seqloom

    forecast = means(seqloom.load(folder).forecast(file))
    for n in range(4):
        expected = numpy.arange(61.0, 65) * (n + 1)
        assert numpy.abs(forecast[f"line{n}"] - expected).max() < 0.4 * (n + 1)


def test_what_is_after_the_cutoff_leaves_the_forecast_the_same_bit_for_bit(
    trained: Trained, weeks: Path
) -> None:
    model = trained()
    task, preparation = model.config.task, model.preparation
    series = preparation.arrange(model.config.read(weeks))
    from seqloom.data.series.windows import Windows

    numbers, cutoffs = numpy.arange(6), numpy.full(6, 60)
    windows, sizes = Windows(numbers, cutoffs, cutoffs + 4), preparation.sizes(series)
    batch = preparation.cut(series, windows, preparation.shape._replace(forks=1), sizes)
    y = series.arrays.y.array  # type: ignore[attr-defined]
    is_after = numpy.concatenate([numpy.arange(length) >= 60 for length in series.lengths])
    saved = y.copy()
    try:
        y[is_after] = numpy.nan
        blind = preparation.cut(series, windows, preparation.shape._replace(forks=1), sizes)
    finally:
        y[:] = saved
    assert blind.targets.isnan().all()
    assert not batch.targets.isnan().any()
    for before, after in zip(batch.history[:3], blind.history[:3], strict=True):
        assert bool((before == after).all())
    context = model.context()
    from seqloom.tasks.forecast.predicting import predict_batch

    answers = [
        predict_batch(
            model.model,
            part,
            preparation.shape.context,
            4,
            context.model,
            context.decoding,
            preparation.calibration,
        )
        for part in (batch, blind)
    ]
    assert numpy.array_equal(answers[0].quantiles, answers[1].quantiles)
    assert task.name == "forecast"


def test_a_series_that_ends_in_nothing_is_forecast_from_its_last_observation(
    trained: Trained, tmp_path: Path
) -> None:
    y = weekly(40)
    gap = numpy.concatenate([y, [numpy.nan] * 5])
    file = write_series(tmp_path / "gap.csv", {"ends": y, "gap": gap})
    forecast = trained().forecast(file)
    assert list(forecast.ds[:4]) == list(forecast.ds[4:8]) == [f"2024-02-{day:02}" for day in range(10, 14)]
    by_name = means(forecast)
    numpy.testing.assert_array_equal(by_name["ends"], by_name["gap"])


def test_series_of_any_size_side_by_side(trained: Trained, tmp_path: Path) -> None:
    """One step, all zeros, constant, 1e9 and 1e-9: each forecast is finite, and of the size of its series."""
    y = weekly(40)
    series = {
        "one": [3.0],
        "zeros": numpy.zeros(40),
        "constant": numpy.full(40, 7.0),
        "large": y * 1e9,
        "usual": y,
        "small": y * 1e-9,
        "two": [1.0, 2.0],
    }
    forecast = trained().forecast(write_series(tmp_path / "sizes.csv", series))
    by_name = means(forecast)
    assert all(numpy.isfinite(values).all() for values in forecast.columns.values())
    assert numpy.abs(by_name["zeros"]).max() < 1e-2
    assert numpy.abs(by_name["constant"] - 7).max() < 0.1
    assert numpy.abs(by_name["one"] - 3).max() < 0.1
    for name, factor in (("large", 1e9), ("small", 1e-9)):
        numpy.testing.assert_allclose(by_name[name], by_name["usual"] * factor, rtol=1e-4)  # float32


def test_a_history_shorter_than_the_horizon(trained: Trained, tmp_path: Path) -> None:
    forecast = trained().forecast(write_series(tmp_path / "short.csv", {"a": [5.0, 6.0, 7.0]}), h=6)
    assert len(forecast.ds) == 6
    assert numpy.isfinite(forecast.columns["mean"]).all()


def test_a_constant_series_has_no_mase_and_is_counted(trained: Trained, tmp_path: Path) -> None:
    file = write_series(tmp_path / "some.csv", {"constant": numpy.full(60, 7.0), "a": weekly(60)})
    report = trained().evaluate(file, "validation")
    assert report.details["MASE undefined"] == "1 of 2 forecasts: their history repeats itself"
    assert numpy.isfinite(report.metrics["mase"])


@pytest.mark.parametrize("n_windows", [1, 3, None])
def test_the_last_partial_batch_of_windows_counts(
    trained: Trained, weeks: Path, monkeypatch: pytest.MonkeyPatch, n_windows: int | None
) -> None:
    model = trained()
    report = model.evaluate(weeks, "test", n_windows=n_windows, step_size=1)
    monkeypatch.setattr("seqloom.data.bucketing.BATCH_SIZE", 5)
    again = model.evaluate(weeks, "test", n_windows=n_windows, step_size=1)
    assert again.metrics == pytest.approx(report.metrics, rel=1e-5)


def test_gaps_count_for_nothing(trained: Trained, tmp_path: Path) -> None:
    y = weekly(60)
    y[[30, 41, 55]] = numpy.nan
    model = trained()
    report = model.evaluate(write_series(tmp_path / "gaps.csv", {"a": y, "b": weekly(60, seed=1)}), "test")
    assert numpy.isfinite(list(report.metrics.values())).all()
