"""Tables of series as people have them: long, wide, plain; dates in many spellings."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest

from seqloom.data.options import ReadOptions
from seqloom.data.read import read
from seqloom.data.series.arranging import arrange_series
from seqloom.data.series.dataset import SeriesData
from seqloom.data.series.options import SeriesConfig
from seqloom.data.series.table import SeriesTable
from seqloom.data.tables.records import Records
from seqloom.errors import ConfigError, DataError

DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]


def series_of(path: Path, columns: Mapping[str, str | int] | None = None, **config: Any) -> SeriesData:
    table = read(path, options=ReadOptions(columns=dict(columns or {})))
    assert isinstance(table, SeriesTable)
    return arrange_series(table, SeriesConfig(**config))


def write(path: Path, header: str, rows: Sequence[Sequence[object]], separator: str = ",") -> Path:
    lines = [header, *(separator.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def dates_of(data: SeriesData, number: int = 0) -> list[str]:
    length = int(data.lengths[number])
    return data.format_times(data.times(numpy.array([number]), numpy.array([length]), length)[0])


def test_a_long_table(tmp_path: Path) -> None:
    rows = [
        (name, day, 10 * place + step) for place, name in enumerate("ab") for step, day in enumerate(DAYS)
    ]
    data = series_of(write(tmp_path / "sales.csv", "unique_id,ds,y", rows))
    assert list(data.unique_ids) == ["a", "b"]
    assert data.series(1).y.tolist() == [10.0 + step for step in range(30)]
    assert dates_of(data) == DAYS
    assert (data.layout.frequency.describe(), data.layout.season) == ("1 day", 7)
    numpy.testing.assert_array_equal(data.series(0).exogenous, numpy.zeros((30, 0)))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            "item_id,timestamp,target",
            "unique_id is the column item_id, ds is the column timestamp, y is the",
        ),
        ("series,Date,value", "unique_id is the column series, ds is the column Date, y is the column value"),
        ("unique_id,ds,sales", "y is the column sales"),
    ],
)
def test_common_names_are_recognized_and_said(tmp_path: Path, header: str, said: str) -> None:
    path = write(tmp_path / "a.csv", header, [("a", day, step) for step, day in enumerate(DAYS)])
    data = series_of(path)
    assert any(said in remark for remark in data.remarks), data.remarks
    assert data.series(0).y.tolist() == list(range(30))


@pytest.mark.parametrize("by_shop", [True, False])
def test_the_only_column_that_tells_series_apart_is_their_name(tmp_path: Path, by_shop: bool) -> None:
    rows = [(day, shop, "kg", step) for shop in ("north", "south") for step, day in enumerate(DAYS)]
    path = write(tmp_path / "a.csv", "date,shop,unit,sales", rows if by_shop else sorted(rows))
    data = series_of(path)
    assert list(data.unique_ids) == ["north", "south"]
    assert any("unique_id is the column shop" in remark for remark in data.remarks)
    assert any("left out, since they are no numbers: unit" in remark for remark in data.remarks)
    write(
        path, "date,shop,unit,sales", [(day, "north", step % 3 * "x", step) for step, day in enumerate(DAYS)]
    )
    assert list(series_of(path).unique_ids) == ["north"]


def test_words_beside_times_that_occur_once_name_nothing(tmp_path: Path) -> None:
    rows = [(day, step, ("NW", "SE")[step % 2]) for step, day in enumerate(DAYS)]
    data = series_of(write(tmp_path / "a.csv", "date,heat,wind", rows))
    assert list(data.unique_ids) == ["heat"]


def test_a_wide_table_is_a_series_a_column_or_a_target_with_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "w.csv", "date,heat,wind", [(d, n, n * n) for n, d in enumerate(DAYS)])
    both = series_of(path)
    assert list(both.unique_ids) == ["heat", "wind"]
    assert both.series(1).y[3] == 9
    one = series_of(path, target="wind")
    assert (list(one.unique_ids), one.layout.historic, one.layout.future) == (["wind"], ("heat",), ())
    known = series_of(path, target="wind", known_future=["heat"])
    assert (known.layout.historic, known.layout.future) == ((), ("heat",))
    assert series_of(path, target="wind", exogenous=[]).layout.exogenous == ()
    beside = series_of(path, known_future=["heat"])
    assert (list(beside.unique_ids), beside.layout.future) == (["wind"], ("heat",))


def test_one_plain_series(tmp_path: Path) -> None:
    named = write(tmp_path / "a.csv", "passengers", [(step,) for step in range(40)])
    data = series_of(named)
    assert data.series(0).y.tolist() == list(range(40))
    assert any("there is no column of times: rows are steps" in remark for remark in data.remarks)
    bare = write(tmp_path / "b.csv", "0", [(step,) for step in range(1, 40)])  # the first number is no header
    assert series_of(bare).series(0).y.tolist() == list(range(40))


def test_a_first_line_that_is_a_row_names_no_columns(tmp_path: Path) -> None:
    rows = [(day, step) for step, day in enumerate(DAYS)]
    path = write(tmp_path / "a.csv", ",".join(map(str, rows[0])), rows[1:])
    assert series_of(path).series(0).y.tolist() == list(range(30))


@pytest.mark.parametrize(
    ("spellings", "said"),
    [
        (["2024-01-01", "2024-01-02", "2024-01-03"], ""),
        (["2024-1-1", "2024-1-2", "2024-1-3"], ""),
        (["2024-01-01 00:00", "2024-01-02 00:00", "2024-01-03 00:00"], ""),
        (["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T01:00:00+01:00"], "read as UTC"),
        (["2024/01/01", "2024/01/02", "2024/01/03"], ""),
        (["1.1.2024", "2.1.2024", "3.1.2024"], "ds is read with the day first"),
        (["01/01/2024", "01/02/2024", "01/03/2024"], "ds is read with the month first"),
        (["20240101", "20240102", "20240103"], ""),
        (["1 Jan 2024", "2 January 2024", "3-jan-24"], ""),
        (['"January 1, 2024"', '"January 2, 2024"', '"January 3, 2024"'], ""),
        (["1704067200", "1704153600", "1704240000"], "seconds since 1970"),
    ],
)
def test_dates_in_many_spellings(tmp_path: Path, spellings: list[str], said: str) -> None:
    rows = [(day, step) for step, day in enumerate(spellings)]
    data = series_of(write(tmp_path / "a.csv", "ds,y", rows), horizon=1, test_steps=0, validation_steps=1)
    assert dates_of(data) == DAYS[:3]
    assert any(said in remark for remark in data.remarks), data.remarks


@pytest.mark.parametrize(
    ("spellings", "frequency"),
    [
        (["Nov 2023", "Dec 2023", "Jan 2024", "Feb 2024"], "1 month"),
        (["Nov-68", "Dec-68", "Jan-69", "Feb-69"], "1 month"),
        (["2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30"], "1 month"),  # the last days of business
        (["2023Q3", "2023Q4", "2024Q1", "2024Q2"], "1 quarter"),
        (["Q3 2023", "Q4 2023", "Q1 2024", "Q2 2024"], "1 quarter"),
    ],
)
def test_months_and_quarters(tmp_path: Path, spellings: list[str], frequency: str) -> None:
    rows = [(day, step) for step, day in enumerate(spellings)]
    data = series_of(write(tmp_path / "a.csv", "when,y", rows), test_steps=0)
    assert data.layout.frequency.describe() == frequency


def test_the_day_is_first_if_one_is_above_twelve(tmp_path: Path) -> None:
    rows = [(f"{day}/01/2024", day) for day in range(1, 31)]
    assert dates_of(series_of(write(tmp_path / "a.csv", "ds,y", rows))) == DAYS
    rows = [(f"01/{day}/2024", day) for day in range(1, 31)]
    data = series_of(write(tmp_path / "b.csv", "ds,y", rows))
    assert dates_of(data) == DAYS
    assert any("ds has the month first" in remark for remark in data.remarks)


def test_dates_of_several_columns_and_a_column_that_counts_rows(tmp_path: Path) -> None:
    rows = [(n + 1, 2024, 1, 1 + n // 24, n % 24, n) for n in range(60)]
    data = series_of(write(tmp_path / "a.csv", "No,year,month,day,hour,heat", rows))
    assert dates_of(data)[:2] == ["2024-01-01 00:00:00", "2024-01-01 01:00:00"]
    assert list(data.unique_ids) == ["heat"]
    assert any("ds is made of year, month, day, hour" in remark for remark in data.remarks)
    assert any("left out, since it counts the rows: No" in remark for remark in data.remarks)


def test_integers_are_steps_whose_season_is_not_known(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "unique_id,ds,y", [("a", step, step) for step in range(5, 65)])
    data = series_of(path)
    assert dates_of(data)[:2] == ["5", "6"]
    assert data.layout.season == 1
    assert any("data.season=24" in remark for remark in data.remarks)
    hourly = series_of(path, frequency="H")
    assert (hourly.layout.season, hourly.layout.frequency.describe()) == (24, "1 step")


def test_parquet_jsonl_gzip_and_semicolons(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = [("a", day, float(step)) for step, day in enumerate(DAYS)]
    moments = numpy.array(DAYS, "datetime64[us]")
    table = pyarrow.table({"unique_id": ["a"] * 30, "ds": moments, "y": [row[2] for row in rows]})
    parquet.write_table(table, tmp_path / "a.parquet")
    lines = [json.dumps(dict(zip(("unique_id", "ds", "y"), row, strict=True))) for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    write(tmp_path / "a.csv", "unique_id;ds;y", rows, ";")
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write((tmp_path / "a.csv").read_text())
    for name in ("a.parquet", "a.jsonl", "a.csv", "b.csv.gz"):
        data = series_of(tmp_path / name)
        assert (dates_of(data), data.series(0).y.tolist()) == (DAYS, list(range(30))), name


def test_rows_of_json_may_lack_values(tmp_path: Path) -> None:
    rows = [{"ds": day} if step == 0 else {"ds": day, "y": step} for step, day in enumerate(DAYS)]
    rows[7] = {"y": None, "ds": DAYS[7]}
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = series_of(tmp_path / "a.jsonl")
    assert dates_of(data) == DAYS[1:]
    assert numpy.flatnonzero(numpy.isnan(data.series(0).y)).tolist() == [6]


def test_files_named_after_splits_go_on_from_one_another(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "unique_id,ds,y", [("a", d, n) for n, d in enumerate(DAYS[:20])])
    write(tmp_path / "validation.csv", "unique_id,ds,y", [("a", d, n) for n, d in enumerate(DAYS[20:25], 20)])
    write(tmp_path / "test.csv", "unique_id,ds,y", [("a", d, n) for n, d in enumerate(DAYS[25:], 25)])
    data = series_of(tmp_path)
    assert data.series(0).y.tolist() == list(range(30))
    limits = {name: (int(split.starts[0]), int(split.stops[0])) for name, split in data.splits.items()}
    assert limits == {"train": (0, 20), "validation": (20, 25), "test": (25, 30)}
    assert data.layout.horizon == 5  # the length of the test file


def test_integers_that_begin_again_in_the_next_file_go_on(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "unique_id,ds,y", [("a", n + 1, n) for n in range(40)])
    write(tmp_path / "test.csv", "unique_id,ds,y", [("a", n + 1, 40 + n) for n in range(4)])
    data = series_of(tmp_path)
    assert data.series(0).y.tolist() == list(range(44))
    assert (data.layout.horizon, int(data.splits["test"].starts[0])) == (4, 40)


def test_files_without_names_of_splits_are_a_series_each(tmp_path: Path) -> None:
    for name in ("oslo", "rome"):
        write(tmp_path / f"{name}.csv", "date,heat", [(d, n) for n, d in enumerate(DAYS)])
    assert list(series_of(tmp_path).unique_ids) == ["oslo", "rome"]
    for name in ("oslo", "rome"):
        write(tmp_path / f"{name}.csv", "date,heat,wind", [(d, n, -n) for n, d in enumerate(DAYS)])
    data = series_of(tmp_path)
    assert list(data.unique_ids) == ["oslo/heat", "rome/heat", "oslo/wind", "rome/wind"]
    assert data.series(2).y[5] == -5


def test_static_columns_in_a_table_of_their_own(tmp_path: Path) -> None:
    rows = [(name, day, step) for name in "abc" for step, day in enumerate(DAYS)]
    write(tmp_path / "train.csv", "unique_id,ds,y", rows)
    write(tmp_path / "static.csv", "unique_id,area,kind", [("b", 4, "shop"), ("a", 2, "kiosk")])
    data = series_of(tmp_path)
    assert data.layout.static == ("area", "kind=kiosk", "kind=shop")
    statics = [data.series(number).static for number in range(3)]
    numpy.testing.assert_array_equal(statics, [[2, 1, 0], [4, 0, 1], [numpy.nan] * 3])
    assert any("1 series without static columns" in remark for remark in data.remarks)
    write(tmp_path / "static.csv", "unique_id,area", [("a", 1), ("a", 2)])
    with pytest.raises(DataError, match=r"static\.csv: each series must have one row\. Got a twice\.$"):
        series_of(tmp_path)
    write(tmp_path / "static.csv", "shop,area", [("a", 1)])
    with pytest.raises(DataError, match=r"expected a column unique_id, which names the series\. Got shop, a"):
        series_of(tmp_path)


def test_known_future_columns_go_on_after_the_last_value(tmp_path: Path) -> None:
    rows = [(day, step if step < 26 else "", step % 5) for step, day in enumerate(DAYS)]
    data = series_of(write(tmp_path / "a.csv", "ds,y,price", rows), known_future=["price"])
    one = data.series(0)
    assert (len(one.y), one.exogenous[:, 0].tolist()) == (26, [step % 5 for step in range(30)])
    future = data.exogenous_windows(numpy.array([0]), numpy.array([32]), 6)[0, :, 0]
    numpy.testing.assert_array_equal(future, [1, 2, 3, 4, numpy.nan, numpy.nan])


def test_known_future_columns_in_a_file_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "ds,y,price", [(d, n, n) for n, d in enumerate(DAYS[:25])])
    write(tmp_path / "future.csv", "ds,price", [(d, n) for n, d in enumerate(DAYS[25:], 25)])
    data = series_of(tmp_path, columns={"y": "y"}, known_future=["price"])
    one = data.series(0)
    assert (len(one.y), one.exogenous[:, 0].tolist()) == (25, list(range(30)))
    assert not any("passed over" in remark for remark in data.remarks)
    data = series_of(tmp_path, columns={"y": "y"})
    assert data.layout.historic == ("price",)
    assert "5 rows of future passed over, as no column is known ahead (one is by --set " in str(data.remarks)
    assert "'data.known_future=[price]')" in str(data.remarks)


@pytest.mark.parametrize("order", ["by time", "by series", "late"])
def test_large_tables_are_read_once_into_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    from seqloom.data.series.rows import frames, reading

    rows = [(f"s{n % 7}", DAYS[n // 7], n if n % 11 else "NA", n % 3) for n in range(210)]
    if order == "by series":
        rows.sort()
    elif order == "late":
        rows.append(rows.pop(30))
    path = write(tmp_path / "a.csv", "unique_id,ds,y,x", rows)
    small = series_of(path, fill="interpolate")
    monkeypatch.setattr(reading, "MEMORY_BYTES", 100)
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    first, again = series_of(path), series_of(path)
    assert first.digest == again.digest
    numbers, stops = numpy.array([3, 0, 3]), numpy.array([7, 31, 2])
    for module, name, size in (
        (reading, "FORMAT", 0),
        (reading, "BATCH_ROWS", 10),
        (frames, "CHUNK_ROWS", 50),
    ):
        monkeypatch.setattr(module, name, size)
        shutil.rmtree(tmp_path / "cache")
        large = series_of(path)
        assert list(small.unique_ids) == list(large.unique_ids)
        for number in range(7):
            for mine, other in zip(small.series(number), large.series(number), strict=True):
                numpy.testing.assert_array_equal(mine, other)
        for window in ("windows", "exogenous_windows"):
            mine, other = (getattr(data, window)(numbers, stops, 5) for data in (small, large))
            numpy.testing.assert_array_equal(mine, other)
        assert [file.name for file in (tmp_path / "cache").rglob("unsorted*")] == []


@pytest.mark.parametrize(
    "content",
    [
        "text,label\ngood,1\nbad,0\n" * 3,
        "date,review,stars\n2024-01-01,good,1\n2024-01-02,bad,2\n",
        "ds,y,label\n2024-01-01,1,a\n2024-01-02,2,b\n",
        "date,complaint,votes\n2024-01-01,the soup was cold again,4\n2024-01-02,no one came to our table,5\n",
        "date,source,target\n2024-01-01,a,b\n2024-01-02,c,d\n",
        "name,age,height\nx,1,2\ny,3,4\n",
        "a,b\n1,2\n3,5\n",
        "values,label\n1 2 3,a\n3 4 5,b\n",
    ],
)
def test_tables_of_other_tasks_stay_theirs(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    assert isinstance(read(tmp_path / "a.csv"), Records)


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    rows = [("x", day, step, 2 * step) for step, day in enumerate(DAYS)]
    path = write(tmp_path / "a.csv", "shop,when,gain,loss", rows)
    data = series_of(path, {"unique_id": "shop", "ds": "when", "y": "loss"}, exogenous=[])
    assert (list(data.unique_ids), data.series(0).y[2]) == (["x"], 4)
    with pytest.raises(
        DataError, match=r"expected a column shops, as data\.columns\.unique_id says\. Got sh"
    ):
        read(path, options=ReadOptions(columns={"unique_id": "shops"}), as_series=True)
    with pytest.raises(
        DataError, match=r"expected a column of numbers losses, as data\.target says\. Got gai"
    ):
        series_of(path, {"unique_id": "shop"}, target="losses")
    with pytest.raises(
        DataError, match=r"expected one column y to forecast\. Got gain, loss\. Say which to "
    ):
        series_of(path, {"unique_id": "shop"})
    with pytest.raises(DataError, match=r"a column to forecast must not be exogenous too\. Got loss\.$"):
        series_of(path, {"unique_id": "shop"}, target="loss", known_future=["loss"])
    with pytest.raises(ConfigError, match=r"data\.frequency: must be so many of ms, .* spells them\. Got f"):
        series_of(path, {"unique_id": "shop"}, target="loss", frequency="foo")


def test_what_is_no_series_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "name,color", [("x", "red")])
    with pytest.raises(DataError, match=r"a\.csv: expected a column of numbers\. Got name, color\.$"):
        read(path, as_series=True)
    path = write(tmp_path / "d.csv", "ds;y", [("2024-01-01", "1,5")], ";")
    with pytest.raises(DataError, match=r"expected a column of numbers\. Got ds, y\. Write numbers with"):
        read(path, as_series=True)
    path = write(tmp_path / "b.csv", "ds,y", [("yesterday", 1)])
    with pytest.raises(DataError, match=r"b\.csv: `ds` must hold dates\. Got yesterday\. For example 2024-0"):
        read(path, as_series=True)
    (tmp_path / "c").mkdir()
    write(tmp_path / "c" / "test.csv", "ds,y", [("2024-01-01", 1)])
    with pytest.raises(
        DataError, match=r"c: expected a table of series for training, such as train\.csv\. Got"
    ):
        read(tmp_path / "c", as_series=True)


PLAIN = {
    "long": "unique_id,ds,y,x\nb,2024-01-01,1,\nb,2024-01-02,NA,2\na,2024-01-01 00:00:00,1e3,3\n",
    "wide": "date,a,b\n2024-01-01 00:00,1,2\n2024-01-01 01:00,,4\n2024-01-01 02:00,5,nan\n",
    "steps": "unique_id;ds;y\na;1;2\na;3;-1.5\n7;1;0\n",
    "plain": "count\n5\n\n7\n9\n",
    "quoted": '"unique_id","ds","y"\n"a, b",2024-01-01,"3"\n"a ""c""",2024-01-02,"4"\n',
    "tabs": 'unique_id\tds\ty\n"a\t2024-01-01\t3\nb"\t2024-01-02\t4\n',
}


@pytest.mark.parametrize("kind", PLAIN)
def test_a_clean_table_is_read_alike_by_columns_and_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from seqloom.data.series.rows import plain, reading

    path = tmp_path / ("a.tsv" if kind == "tabs" else "a.csv")
    path.write_text(PLAIN[kind])
    monkeypatch.setattr(reading.SeriesReading, "read_rows", None)  # not needed for a clean table
    fast = read(path, as_series=True)
    monkeypatch.undo()

    def refuse(*_: object) -> None:
        raise plain.NotPlainError

    monkeypatch.setattr(reading, "read_plain", refuse)
    slow = read(path, as_series=True)
    assert isinstance(fast, SeriesTable)
    assert isinstance(slow, SeriesTable)
    assert list(fast.frames.unique_ids) == list(slow.frames.unique_ids)
    for one, other in zip(fast.frames.chunks(), slow.frames.chunks(), strict=True):
        for mine, theirs in zip(one, other, strict=True):
            numpy.testing.assert_array_equal(mine, theirs)
