"""What forecasts are measured against, of many series at once."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from seqloom.data.read import read
from seqloom.data.series.arranging import arrange_series
from seqloom.data.series.options import SeriesConfig
from seqloom.data.series.windows import Windows
from seqloom.metrics.forecast.errors import seasonal_errors
from seqloom.tasks.forecast import reference
from seqloom.tasks.forecast.baseline import HISTORY, naive_forecasts

from .conftest import weekly, write_series


@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
def test_many_histories_at_once_are_as_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(reference, "CHUNK_STEPS", chunk)
    gaps = weekly(40)
    gaps[[5, 20, 21]] = numpy.nan
    made = {"a": weekly(30), "b": gaps, "c": [4.0], "d": numpy.full(20, 3.0), "e": weekly(60) * 1e200}
    table = read(write_series(tmp_path / "some.csv", made))
    series = arrange_series(table, SeriesConfig(), is_divided=False)  # type: ignore[arg-type]
    numbers, stops = numpy.array([4, 1, 0, 2, 3, 1]), numpy.array([50, 40, 9, 1, 20, 33])
    measured = reference.measure_histories(series, numbers, stops, 7)
    for number, stop, (deviation, error, level) in zip(numbers, stops, measured, strict=True):
        y = series.series(int(number)).y
        size = numpy.nanmax(numpy.abs(y))
        numpy.testing.assert_allclose(deviation / size, numpy.nanstd(y[:stop] / size), atol=1e-12)
        numpy.testing.assert_allclose(level / size, numpy.nanmean(numpy.abs(y[:stop]) / size))
        expected = seasonal_errors(y, 7, numpy.array([stop]))[0]
        numpy.testing.assert_allclose(error / size, expected / size)


def test_a_season_may_be_longer_than_the_history_that_tells_a_deviation(tmp_path: Path) -> None:
    """Of seconds it has 3,600 steps: its last one is repeated, not the last 2,000 steps."""
    season, horizon = 3600, 12
    assert season > HISTORY
    y = numpy.sin(2 * numpy.pi * numpy.arange(2 * season + 500) / season)
    file = tmp_path / "seconds.csv"
    file.write_text("y\n" + "\n".join(map(repr, y[:-horizon].tolist())) + "\n")
    table = read(file)
    series = arrange_series(table, SeriesConfig(season=season, horizon=horizon), is_divided=False)  # type: ignore[arg-type]
    cutoffs = numpy.array([len(y) - horizon])
    mean, deviation = naive_forecasts(series, season, horizon)(Windows(numpy.array([0]), cutoffs, cutoffs))
    numpy.testing.assert_allclose(mean[0], y[-horizon:], atol=1e-9)
    assert deviation.max() < 1e-9
