"""Series on their grid: what is held out, windows of it, fills that never look ahead, calendars."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.series.arranging import arrange_series
from seqloom.data.series.calendar import compute_calendar
from seqloom.data.series.dataset import SeriesData, Split, fill_gaps
from seqloom.data.series.frequency import DAY, Frequency, infer_frequency
from seqloom.data.series.options import SeriesConfig
from seqloom.data.series.table import SeriesTable
from seqloom.data.series.windows import rolling_windows, training_windows
from seqloom.errors import ConfigError
from seqloom.tasks.forecast.config import DataConfig
from seqloom.tasks.forecast.preparation import Preparation

NAN = numpy.nan


def arrange(folder: Path, y: list[float], more: str = "", **config: Any) -> SeriesData:
    days = numpy.datetime64("2024-01-01") + numpy.arange(len(y))
    lines = [f"{day},{value},{step % 7}" for step, (day, value) in enumerate(zip(days, y, strict=True))]
    (folder / "a.csv").write_text("\n".join(["ds,y,x", *lines, more]))
    table = read(folder / "a.csv")
    assert isinstance(table, SeriesTable)
    return arrange_series(table, SeriesConfig(**config))


def limits(data: SeriesData) -> dict[str, tuple[int, int]]:
    return {name: (int(split.starts[0]), int(split.stops[0])) for name, split in data.splits.items()}


def test_the_last_steps_are_held_out(tmp_path: Path) -> None:
    y = [float(step) for step in range(100)]
    data = arrange(tmp_path, y, horizon=5)
    assert limits(data) == {"train": (0, 80), "validation": (80, 90), "test": (90, 100)}
    data = arrange(tmp_path, y, horizon=5, validation_steps=5, test_steps=0)
    assert limits(data) == {"train": (0, 95), "validation": (95, 100)}
    data = arrange(tmp_path, y, horizon=5, max_steps=50, validation_steps=5, test_steps=10)
    assert limits(data) == {"train": (0, 35), "validation": (35, 40), "test": (40, 50)}
    assert arrange(tmp_path, y).layout.horizon == 14  # what M4 asked of days


def test_nothing_is_held_out_where_nothing_is_tested(tmp_path: Path) -> None:
    arrange(tmp_path, [1.0, 2.0, 3.0], horizon=1)
    table = read(tmp_path / "a.csv")
    assert isinstance(table, SeriesTable)
    data = arrange_series(table, SeriesConfig(horizon=48), is_divided=False)
    assert (limits(data), data.layout.horizon) == ({"train": (0, 3)}, 48)


def test_windows_are_nan_outside_the_series(tmp_path: Path) -> None:
    data = arrange(tmp_path, [float(step) for step in range(60)])
    windows = data.windows(numpy.array([0, 0]), numpy.array([2, 62]), 4)
    numpy.testing.assert_array_equal(windows, [[NAN, NAN, 0, 1], [58, 59, NAN, NAN]])
    x = data.exogenous_windows(numpy.array([0]), numpy.array([2]), 3)
    numpy.testing.assert_array_equal(x, [[[NAN], [0], [1]]])


def test_what_comes_after_a_cutoff_changes_nothing_before_it(tmp_path: Path) -> None:
    y = [float(step % 9) for step in range(60)]
    y[20:24] = [NAN] * 4
    numbers, stops = numpy.array([0, 0]), numpy.array([22, 40])
    for fill in ("forward", "interpolate", "zero"):
        before = arrange(tmp_path, y, fill=fill, horizon=5)
        after = arrange(tmp_path, [*y[:40], *[NAN] * 10, *y[50:]], fill=fill, horizon=5)
        read_before, read_after = (
            fill_gaps(data.windows(numbers, stops, 30), data.layout.fill) for data in (before, after)
        )
        assert read_before.tobytes() == read_after.tobytes()


def test_missing_exogenous_values_are_filled_by_the_value_before_and_counted(tmp_path: Path) -> None:
    days = numpy.datetime64("2024-01-01") + numpy.arange(20)
    values = ["", "", "2", "", "4", *"5" * 14, ""]
    lines = [f"{day},{step},{value}" for step, (day, value) in enumerate(zip(days, values, strict=True))]
    (tmp_path / "a.csv").write_text("\n".join(["ds,y,x", *lines]))
    table = read(tmp_path / "a.csv")
    assert isinstance(table, SeriesTable)
    data = arrange_series(table, SeriesConfig(target="y"))
    x = data.series(0).exogenous[:, 0]
    assert numpy.isnan(x[:2]).all()  # what comes later is not known then
    assert x[2:].tolist() == [2, 2, 4, *[5] * 15]
    expected = "exogenous columns without a value: 4 of 20, filled by the value before; "
    assert expected + "before the first one a model reads the mean of training" in data.remarks


def test_before_the_first_value_of_a_column_a_model_reads_the_mean_of_training(tmp_path: Path) -> None:
    days = numpy.datetime64("2024-01-01") + numpy.arange(20)
    values = ["", "", *("3", "7") * 9]
    lines = [f"{day},{step},{value}" for step, (day, value) in enumerate(zip(days, values, strict=True))]
    (tmp_path / "a.csv").write_text("\n".join(["ds,y,x", *lines]))
    settings = {"target": "y", "calendar": False, "horizon": 2, "validation_steps": 2, "test_steps": 2}
    table = read(tmp_path / "a.csv")
    assert isinstance(table, SeriesTable)
    preparation = Preparation.fit(table, DataConfig(lags=[18], context=18, **settings))
    assert preparation.scales.exogenous[:, 0].tolist() == [5, 2]
    (batch,) = preparation.source(table, "test", Batching(1, training=False)).batches(0)
    assert batch.history.covariates.historic[0, :, 0].tolist() == [0, 0, *(-1, 1) * 8]


def test_fills() -> None:
    y = numpy.array([[NAN, NAN, 2, NAN, NAN, 8, NAN], [NAN] * 7, [1, 2, 3, 4, 5, 6, 7]])
    whole = list(range(1, 8))
    assert fill_gaps(y).tolist() == [[2, 2, 2, 2, 2, 8, 8], [0] * 7, whole]
    assert fill_gaps(y, "interpolate").tolist() == [[2, 2, 2, 4, 6, 8, 8], [0] * 7, whole]
    assert fill_gaps(y, "zero").tolist() == [[2, 2, 2, 0, 0, 8, 0], [0] * 7, whole]


def test_standardized_by_training_alone(tmp_path: Path) -> None:
    y = [float(step % 10) for step in range(80)] + [1000.0] * 20
    data = arrange(tmp_path, y, horizon=5, standardize=True)
    one, train = data.series(0), numpy.array(y[:80])
    numpy.testing.assert_allclose(one.y, (numpy.array(y) - train.mean()) / train.std(), rtol=1e-12)
    numpy.testing.assert_array_equal(data.windows(numpy.array([0]), numpy.array([100]), 100)[0], one.y)
    mean, deviation = data.arrays.scales[0]
    numpy.testing.assert_allclose(one.y * deviation + mean, y, rtol=1e-9, atol=1e-12)


def test_the_digest_changes_with_values_and_splits(tmp_path: Path) -> None:
    y = [float(step) for step in range(60)]
    digest = arrange(tmp_path, y, horizon=5).digest
    assert arrange(tmp_path, y, horizon=5).digest == digest
    assert arrange(tmp_path, y, horizon=5, test_steps=10).digest != digest
    assert arrange(tmp_path, [*y[:-1], 0.0], horizon=5).digest != digest


def test_rolling_windows_are_those_of_neuralforecast() -> None:
    """h=4, n_windows=3, step_size=2: cutoffs 4, 6 and 8 steps before the end."""
    split = Split(numpy.array([10]), numpy.array([30]))
    windows = rolling_windows(split, 4, n_windows=3, step_size=2)
    assert windows.cutoffs.tolist() == [22, 24, 26]
    assert windows.stops.tolist() == [26, 28, 30]
    assert rolling_windows(split, 4, step_size=4).cutoffs.tolist() == [10, 14, 18, 22, 26]
    for name in ("n_windows", "step_size"):
        with pytest.raises(ConfigError, match=rf"rolling_windows: {name} must be an int >= 1\. Got 0\.$"):
            rolling_windows(split, 4, **{name: 0})


def test_every_window_of_the_split_counts_also_those_that_fill_no_batch() -> None:
    windows = rolling_windows(Split(numpy.array([11520]), numpy.array([14400])), 24)
    assert len(windows.numbers) == 2857  # 2,848 with what the loader of Informer drops at a batch size of 32
    assert (windows.cutoffs[-1], windows.stops[-1]) == (14376, 14400)


def test_a_split_shorter_than_the_horizon_has_one_window() -> None:
    windows = rolling_windows(Split(numpy.array([5, 0, 7]), numpy.array([7, 2, 7])), 4)
    assert windows.numbers.tolist() == [0, 1]
    assert windows.cutoffs.tolist() == [5, 1]
    assert windows.stops.tolist() == [7, 2]


def test_training_windows_are_evenly_spaced_where_there_are_many() -> None:
    split = Split(numpy.zeros(1000, numpy.int64), numpy.full(1000, 100))
    windows = training_windows(split, 20, 10, max_windows=500)
    assert 100 <= len(windows.numbers) <= 500
    assert windows.cutoffs.min() >= 20
    assert windows.stops.max() == 100


@pytest.mark.parametrize(
    ("spellings", "frequency"),
    [
        (("H", "h", "1h", "hourly"), Frequency("h")),
        (("T", "min", "1T"), Frequency("min")),
        (("15T", "15min"), Frequency("min", 15)),
        (("M", "ME", "MS"), Frequency("M")),
        (("BMS",), Frequency("M", 1, "first workday")),
        (("BM", "BME"), Frequency("M", 1, "last workday")),
        (("BQE", "BQ"), Frequency("Q", 1, "last workday")),
        (("Q", "QE", "QS", "Q-DEC", "QE-MAR"), Frequency("Q")),
        (("Y", "A", "YE", "YS", "AS", "A-DEC"), Frequency("Y")),
        (("D", "d", "1D"), Frequency("D")),
        (("W", "W-SUN", "W-MON"), Frequency("W")),
        (("S", "s"), Frequency("s")),
        (("L", "ms"), Frequency("ms")),
        (("B",), Frequency("B")),
    ],
)
def test_old_and_new_spellings_of_frequencies(spellings: tuple[str, ...], frequency: Frequency) -> None:
    assert {Frequency.parse(text) for text in spellings} == {frequency}


@pytest.mark.parametrize("text", ["", "0D", "-1D", "x", "1.5h", "us", "SM"])
def test_what_is_no_frequency(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^data\.frequency: must be so many of ms, .* spells them\. Got "):
        Frequency.parse(text)


CALENDARS = {
    Frequency("M"): ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"],
    Frequency("M", 1, "day"): ["2019-02-28", "2019-03-28", "2019-04-28"],
    Frequency("M", 1, "last workday"): ["2016-01-29", "2016-02-29", "2016-03-31", "2016-04-29"],
    Frequency("M", 1, "first workday"): ["2024-06-03", "2024-07-01", "2024-08-01", "2024-09-02"],
    Frequency("Q"): ["2023-11-01", "2024-02-01", "2024-05-01"],
    Frequency("Y"): ["2022-02-01", "2023-02-01", "2024-02-01"],
    Frequency("W"): ["2023-12-28", "2024-01-04", "2024-01-11"],
    Frequency("B"): ["2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"],
    Frequency("D"): ["2024-02-28", "2024-02-29", "2024-03-01"],
}


@pytest.mark.parametrize("frequency", CALENDARS, ids=str)
def test_a_frequency_is_inferred_counted_and_continued(frequency: Frequency) -> None:
    times = numpy.array(CALENDARS[frequency], "datetime64[us]").astype(numpy.int64)
    is_first = numpy.arange(len(times)) == 0
    assert infer_frequency(times, is_first, has_dates=True) == frequency
    positions, on_grid = frequency.positions(times, times[:1])
    assert positions.tolist() == list(range(len(times)))
    assert on_grid.all()
    assert frequency.times(times[:1], positions).tolist() == times.tolist()
    assert not frequency.positions(times + DAY // 2, times[:1])[1].any()


@pytest.mark.filterwarnings("ignore:Using `json`-module:UserWarning")
def test_calendar_columns_are_gluonts_time_features() -> None:
    import pandas
    from gluonts.time_feature import (
        day_of_month,
        day_of_week,
        day_of_year,
        hour_of_day,
        minute_of_hour,
        month_of_year,
    )

    index = pandas.date_range("2023-12-30 21:50", periods=300, freq="7h13min")
    features = (minute_of_hour, hour_of_day, day_of_week, day_of_month, day_of_year, month_of_year)
    expected = numpy.stack([feature(index) for feature in features], 1)
    times = index.to_numpy().astype("datetime64[us]").astype(numpy.int64)
    names = [feature.__name__ for feature in features]
    numpy.testing.assert_allclose(compute_calendar(times, names), expected, atol=1e-12)


def test_holidays_of_a_country(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = arrange(tmp_path, [1.0] * 60, holidays="US")
    columns = data.calendar(data.times(numpy.array([0]), numpy.array([60]), 60))
    assert columns.shape == (1, 60, 4)
    assert numpy.flatnonzero(columns[0, :, 3]).tolist() == [0, 14, 49]  # New Year, M. L. King, Washington
    with pytest.raises(ConfigError, match=r"^data\.holidays: must be a country code of two letters\. Got XX"):
        compute_calendar(numpy.array([0]), [], "XX")
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ConfigError, match=r"holidays: .*not installed\. pip install 'seqloom\[forecast\]"):
        compute_calendar(numpy.array([0]), [], "AT")
