"""What is wrong with series: one line each, the bad ones skipped and counted where others remain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy
import pytest

from seqloom.data.read import read
from seqloom.data.series.arranging import arrange_series
from seqloom.data.series.dataset import SeriesData
from seqloom.data.series.options import SeriesConfig
from seqloom.data.series.table import SeriesTable
from seqloom.errors import DataError

DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]
GOOD = [("good", day, str(step)) for step, day in enumerate(DAYS)]


def arrange(
    folder: Path,
    rows: Sequence[Sequence[str]],
    strict: bool = False,
    header: str = "unique_id,ds,y",
    **config: object,
) -> SeriesData:
    path = folder / "a.csv"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")
    table = read(path, strict)
    assert isinstance(table, SeriesTable)
    return arrange_series(table, SeriesConfig(**config))  # type: ignore[arg-type]


def changed(row: int, value: Sequence[str], name: str = "bad") -> list[tuple[str, ...]]:
    rows = [(name, day, str(step)) for step, day in enumerate(DAYS)]
    rows[row] = (name, *value)  # type: ignore[assignment]
    return rows


BAD = {
    "text": (changed(4, (DAYS[4], "many")), r"a\.csv, line 6: `y` must be a finite number\. Got many\.$"),
    "infinity": (changed(4, (DAYS[4], "inf")), r"a\.csv, line 6: `y` must be a finite number\. Got inf\.$"),
    "too large": (changed(4, (DAYS[4], "1e999")), r"line 6: `y` must be a finite number\. Got 1e999\.$"),
    "no date": (changed(4, ("soon", "4")), r"a\.csv, line 6: `ds` must be a date\. Got soon\.$"),
    "doubled": (
        changed(4, (DAYS[3], "4")),
        r"a\.csv, series bad: each time must occur once\. Got 2024-01-04 .*twice\.",
    ),
    "irregular": (
        changed(4, ("2024-01-05 13:00:00", "4")),
        r"series bad: steps must be 1 day apart\. Got 2024-01-05 13:00:00 after 2024-01-04 00:00:00\. A",
    ),
    "nothing": (
        [("bad", day, "") for day in DAYS],
        r"series bad: `y` must have a value\. Got none\.$",
    ),
    "far apart": (
        [("bad", "1024-01-01", "1"), ("bad", DAYS[0], "2")],
        r"series bad: steps must be 1 day apart, with few gaps\. Got 2 rows in 365,244 steps\. Name",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_series_is_skipped_and_counted_where_others_remain(tmp_path: Path, kind: str) -> None:
    rows, message = BAD[kind]
    data = arrange(tmp_path, [*rows, *GOOD], frequency="D")
    assert list(data.unique_ids) == ["good"]
    assert data.series(0).y.tolist() == list(range(30))
    assert len(data.skipped) == 1
    assert re.search(message, data.skipped[0])
    with pytest.raises(DataError, match=message):
        arrange(tmp_path, [*rows, *GOOD], strict=True, frequency="D")


@pytest.mark.parametrize("kind", BAD)
def test_the_only_series_must_be_good(tmp_path: Path, kind: str) -> None:
    rows, message = BAD[kind]
    with pytest.raises(DataError, match=message):
        arrange(tmp_path, rows, frequency="D")


def test_several_bad_series_are_counted(tmp_path: Path) -> None:
    rows = [*changed(1, (DAYS[0], "4"), "x"), *changed(1, (DAYS[1], "?!"), "z")]
    with pytest.raises(DataError, match=r"expected at least one series that can be used\. Got none; the"):
        arrange(tmp_path, rows)


def test_doubled_dates_of_one_series_ask_for_the_column_that_tells_series_apart(tmp_path: Path) -> None:
    rows = [(day, shop, str(step)) for step, day in enumerate(DAYS) for shop in ("1", "2")]
    with pytest.raises(DataError, match=r"each time must occur once\..* If a column tells series"):
        arrange(tmp_path, rows, header="ds,shop,y")


def test_two_days_of_one_month_are_no_months(tmp_path: Path) -> None:
    days = ["2024-01-31", "2024-02-29", "2024-03-01", "2024-03-31", "2024-04-30", "2024-05-31"]
    with pytest.raises(DataError, match=r"steps must be 1 month apart\. Got 2024-03-31 after 2024-03-01"):
        arrange(tmp_path, [("a", day, "1") for day in days])


def test_an_hour_that_occurs_twice_may_be_one_when_clocks_were_set_back(tmp_path: Path) -> None:
    hours = [f"2024-10-27 {hour:02d}:00" for hour in (0, 1, 2, 2, 3, 4)]
    with pytest.raises(DataError, match=r"Got 2024-10-27 02:00:00 twice\. If clocks were set back"):
        arrange(tmp_path, [("a", hour, "1") for hour in hours])


def test_rows_out_of_order_are_sorted_and_said(tmp_path: Path) -> None:
    rows = [("a", DAYS[step], str(step)) for step in (0, 1, 2, 4, 3, *range(5, 30))]
    data = arrange(tmp_path, [*rows, *GOOD])
    assert data.series(0).y.tolist() == list(range(30))
    assert "rows out of order, 1 before the row above it, in 1 series: sorted by time" in data.remarks
    assert not len(data.skipped)


def test_a_row_with_too_few_columns_leaves_a_gap_and_is_counted(tmp_path: Path) -> None:
    data = arrange(tmp_path, [*GOOD[:5], ("good",), *GOOD[6:]])
    assert numpy.isnan(data.series(0).y[5])
    assert [message.partition("line")[2] for message in data.skipped] == [
        " 7: expected 3 columns (unique_id, ds, y). Got 1."
    ]


def test_gaps_and_missing_values_are_counted_and_stay_nan(tmp_path: Path) -> None:
    rows = [row for row in GOOD if row[1] not in ("2024-01-04", "2024-01-05")]
    rows[10] = ("good", rows[10][1], "NA")
    data = arrange(tmp_path, rows)
    one = data.series(0)
    assert numpy.flatnonzero(~one.mask).tolist() == [3, 4, 12]
    assert len(one.y) == 30
    expected = "steps without a value: 3 of 30, in 1 series; a model reads the value before, and no loss or"
    assert any(remark.startswith(expected) for remark in data.remarks), data.remarks


def test_test_must_follow_train(tmp_path: Path) -> None:
    for name, rows in (("train", GOOD[10:]), ("test", GOOD[:10])):
        (tmp_path / f"{name}.csv").write_text("unique_id,ds,y\n" + "".join(",".join(r) + "\n" for r in rows))
    table = read(tmp_path)
    assert isinstance(table, SeriesTable)
    with pytest.raises(DataError, match=r"series good: train, validation and test must follow one"):
        arrange_series(table, SeriesConfig())


def test_a_horizon_longer_than_can_be_tested(tmp_path: Path) -> None:
    expected = r"a horizon of 14 needs a series of at least 29 steps to be tested\. Got 20\. Set a sh"
    with pytest.raises(DataError, match=expected):
        arrange(tmp_path, GOOD[:20], horizon=14)
    assert arrange(tmp_path, GOOD, horizon=14).splits["test"].steps == 14


def test_a_default_horizon_is_one_that_can_be_tested(tmp_path: Path) -> None:
    data = arrange(tmp_path, GOOD[:20])
    assert data.layout.horizon == 5
    assert any("series are short, so that the horizon is 5" in remark for remark in data.remarks)


def test_series_that_are_too_short_are_for_training_only_and_counted(tmp_path: Path) -> None:
    data = arrange(tmp_path, [*GOOD, *(("b", day, "1") for day in DAYS[:4])], horizon=4, frequency="D")
    assert data.splits["test"].numbers.tolist() == [0]
    assert data.splits["train"].stops.tolist() == [22, 4]
    assert "1 series too short for 4 steps of test: all of them is in train" in data.remarks


@pytest.mark.parametrize("rows", [[("a", DAYS[0], "5")], [("a", DAYS[0], "5"), *GOOD]])
def test_a_series_of_one_step(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    if len(rows) == 1:
        with pytest.raises(DataError, match=r"needs a series of at least 3 steps to be tested\. Got 1\."):
            arrange(tmp_path, rows)
        return
    data = arrange(tmp_path, rows)
    assert data.series(0).y.tolist() == [5]
    assert [int(split.stops[0] - split.starts[0]) for split in data.splits.values()] == [1, 0, 0]


def test_zeros_and_sizes_of_1e9_and_1e_minus_9_stay_as_they_are(tmp_path: Path) -> None:
    sizes = {"zero": 0.0, "large": 1e9, "small": 1e-9}
    rows = [
        (name, day, repr(size * (1 + step))) for name, size in sizes.items() for step, day in enumerate(DAYS)
    ]
    data = arrange(tmp_path, rows, header="unique_id,ds,y")
    for number, size in enumerate(sizes.values()):
        assert data.series(number).y.tolist() == [size * (1 + step) for step in range(30)]


def test_a_series_that_ends_in_nan_goes_on_from_its_last_observed_step(tmp_path: Path) -> None:
    rows = [(name, day, value if step < 27 else "") for step, (name, day, value) in enumerate(GOOD)]
    data = arrange(tmp_path, rows)
    assert int(data.lengths[0]) == 27
    ahead = data.times(numpy.array([0]), data.lengths + 2, 2)
    assert data.format_times(ahead[0]) == ["2024-01-28", "2024-01-29"]
