"""Columns of words beside a series: an input for each word of training, from a file to a forecast."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

import seqloom
from seqloom.data.ragged import MemoryValues
from seqloom.data.read import read
from seqloom.data.series.arranging import Learnt, arrange_series
from seqloom.data.series.categories import Stored, find_words
from seqloom.data.series.dataset import SeriesData, Split
from seqloom.data.series.grid import SeriesFacts
from seqloom.data.series.options import SeriesConfig
from seqloom.data.series.rows import reading
from seqloom.data.series.table import SeriesTable
from seqloom.data.tables.columns import ExpectedColumns
from seqloom.errors import DataError

WEATHER = ("rain", "sun", "rain", "", "wind", "sun")


def _write(file: Path, words: tuple[str, ...] = WEATHER, days: int = 60, ending: str = "") -> Path:
    """A long table of two series, and a column of words that repeat themselves."""
    rows = ["unique_id,ds,y,price,weather"]
    for name in "ab":
        for day in range(days):
            when = numpy.datetime64("2024-01-01") + day
            rows.append(f"{name},{when},{day % 7},{day / 10},{words[day % len(words)]}")
    file.write_text("\n".join([*rows, *filter(None, [ending])]) + "\n")
    return file


def _table(path: Path) -> SeriesTable:
    table = read(path, expected=ExpectedColumns(categorical=["weather"]))
    assert isinstance(table, SeriesTable)
    return table


def _arrange(path: Path, **settings: object) -> SeriesData:
    return arrange_series(_table(path), SeriesConfig(horizon=5, categorical=["weather"], **settings))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return _write(tmp_path / "x.csv")


def test_words_are_left_out_until_they_are_asked_for(path: Path) -> None:
    table = read(path)
    assert isinstance(table, SeriesTable)
    assert arrange_series(table, SeriesConfig()).layout.historic == ("price",)
    expected = "columns of words can be inputs: --set 'data.categorical=[weather]'"
    assert any(remark == expected for remark in table.remarks)


def test_a_column_that_is_asked_for_is_not_said_to_be_left_out(path: Path) -> None:
    assert not [remark for remark in _table(path).remarks if "weather" in remark]


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("cached", [True, False])
def test_an_input_for_each_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool, cached: bool
) -> None:
    """By Arrow and row by row, in memory and in the cache: what is missing is none of them."""
    path = _write(tmp_path / "x.csv", ending="" if plain else "a,a day,1,1,rain")
    if cached:
        monkeypatch.setattr(reading, "MEMORY_BYTES", 1)
    for _ in range(1 + cached):  # written, then found
        data = _arrange(path, exogenous=[])
        assert len(data.skipped) + len(_table(path).skipped) == (0 if plain else 1)
        (number,) = [number for number, name in enumerate(data.unique_ids) if name == "b"]
        assert data.layout.historic == ("weather=rain", "weather=sun", "weather=wind")
        exogenous = data.series(number).exogenous
        words = [None if not row.any() else data.layout.words[row.argmax()][1] for row in exogenous[:6]]
        assert words == ["rain", "sun", "rain", None, "wind", "sun"]
        assert set(exogenous.sum(1).tolist()) == {0, 1}
        count = "20 of 120" if plain else "10 of 60"  # of b alone, since a has a bad row
        expected = f"weather: {count} values are missing: read as none of its words"
        assert any(remark == expected for remark in data.remarks)
        window = data.exogenous_windows(numpy.array([number]), numpy.array([6]), 8)[0]
        assert numpy.isnan(window[:2]).all()  # before the series
        assert numpy.array_equal(window[2:], exogenous[:6])


def test_words_known_beforehand(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.csv")
    layout = _arrange(path, known_future=["weather"]).layout
    assert layout.historic == ("price",)
    assert layout.future == ("weather=rain", "weather=sun", "weather=wind")


def test_a_word_that_training_has_not_is_none_of_them(tmp_path: Path) -> None:
    file = _write(tmp_path / "x.csv")
    file.write_text(file.read_text().replace("2024-02-29,3,5.9,sun", "2024-02-29,3,5.9,hail"))
    data = _arrange(file, exogenous=[])
    assert data.layout.historic == ("weather=rain", "weather=sun", "weather=wind")
    assert data.series(0).exogenous[-1].tolist() == [0, 0, 0]
    expected = "weather: 2 of 100 values are words that training does not have: hail"
    assert any(remark == expected for remark in data.remarks)


def test_a_model_reads_the_words_that_it_has_learnt(path: Path, tmp_path: Path) -> None:
    words = _arrange(path).layout.words
    other = _table(_write(tmp_path / "y.csv", ("sun", "fog", "fog", "fog")))
    config = SeriesConfig(horizon=5, categorical=["weather"], exogenous=[])
    data = arrange_series(other, config, learnt=Learnt(None, words))
    assert data.layout.historic == ("weather=rain", "weather=sun", "weather=wind")
    assert data.series(0).exogenous[:2].tolist() == [[0, 1, 0], [0, 0, 0]]
    assert any("words that training does not have: fog" in remark for remark in data.remarks)


def test_words_that_only_the_test_split_has_are_not_learnt(tmp_path: Path) -> None:
    """Empty cells before the first word are not filled with one that comes later."""
    path = _write(tmp_path / "x.csv", ("",) * 56 + ("hail",) * 4)
    data = _arrange(path, exogenous=[])
    assert data.layout.historic == ()
    assert "weather: 8 of 8 values are words that training does not have: hail" in data.remarks


def test_a_series_without_a_word_has_none(tmp_path: Path) -> None:
    file = _write(tmp_path / "x.csv", ("rain", "sun"))
    rows = [",".join([*row.split(",")[:4], ""]) if row[0] == "b" else row for row in file.read_text().split()]
    file.write_text("\n".join(rows) + "\n")
    data = _arrange(file, exogenous=[])
    sums = {data.unique_ids[number]: data.series(number).exogenous.sum() for number in range(2)}
    assert sums == {"a": 60, "b": 0}


@pytest.mark.parametrize("plain", [True, False])
def test_what_stands_for_nothing_among_numbers_is_a_word(tmp_path: Path, plain: bool) -> None:
    path = _write(tmp_path / "x.csv", ("none", "-", "NA", "?", ""), ending="" if plain else "a,a day,1,1,?")
    assert [word for _, word in _arrange(path).layout.words] == ["-", "?", "NA", "none"]


@pytest.mark.parametrize("words", [("1", "2"), ("1.5", ""), ("", *("a b c d e f g", "h i j k l m n") * 2)])
def test_a_column_that_is_named_is_read_as_words_whatever_it_holds(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    data = _arrange(_write(tmp_path / "x.csv", words), exogenous=[])
    assert data.layout.words == tuple(("weather", word) for word in sorted({*words} - {""}))


@pytest.mark.parametrize("words", [("",), ("fog", "hail"), ("1", "2"), ("rain",)])
def test_a_table_of_two_rows_is_read_by_what_a_model_has_learnt(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    words_of_training = _arrange(_write(tmp_path / "x.csv")).layout.words
    other = _table(_write(tmp_path / "y.csv", words, days=2))
    config = SeriesConfig(horizon=5, categorical=["weather"], exogenous=[])
    data = arrange_series(other, config, is_divided=False, learnt=Learnt(None, words_of_training))
    number_known = sum(word == "rain" for word in words) * 2
    assert data.series(0).exogenous.sum() == number_known
    if len(words) == 2:
        expected = f"4 of 4 values are words that training does not have: {words[0]}, {words[1]}"
        assert f"weather: {expected}" in data.remarks


def test_all_of_training_is_looked_through() -> None:
    """Of two million steps and a few more, the second series of which has a word of its own."""
    lengths = numpy.array([2_000_001, 10])
    codes = numpy.repeat([0.0, 1.0], lengths)
    codes[-1] = 2  # held out
    stored = Stored(MemoryValues(codes), len(codes), ["sky"], {"sky": ["blue", "gray", "black"]})
    zeros = numpy.zeros(2, numpy.int64)
    facts = SeriesFacts(["a", "b"], zeros, lengths, lengths, numpy.zeros((2, 3), int), zeros, zeros)
    words = find_words(stored, facts, Split(zeros, lengths - 1), Path("x.csv"))
    assert [word.word for word in words] == ["blue", "gray"]


def test_from_a_table_to_a_forecast(tmp_path: Path) -> None:
    """Words that look like numbers, in training as in what is forecast; then a table of two rows without."""
    path = _write(tmp_path / "x.csv", ("1", "2"))
    settings = ["data.categorical=[weather]", "data.horizon=3", "data.context=8", "data.lags=[1]"]
    settings += ["model.hidden_size=4", "training.max_steps=2", "training.validate_every=2"]
    model = seqloom.train(path, settings=settings, out=tmp_path / "run")
    assert model.preparation.columns.historic == ("price", "weather=1", "weather=2")
    other = _write(tmp_path / "y.csv", ("",), days=2)
    forecast = model.forecast(other)
    assert "weather: 4 of 4 values are missing: read as none of its words" in forecast.remarks
    assert len(forecast.ds) == 6
    assert numpy.isfinite(forecast.columns["mean"]).all()


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.csv")
    path.write_text(path.read_text().replace("weather", "wether", 1))
    with pytest.raises(DataError) as error:
        _arrange(path)
    expected = "expected a column of words weather, as data.categorical says. Got wether. "
    expected += "Did you mean `wether`?"
    assert expected in str(error.value)


def test_too_many_words(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.csv", tuple(f"w{n % 120}" for n in range(1000)), days=560)
    with pytest.raises(DataError) as error:
        _arrange(path)
    assert "at most 100 different words to be an input. Got 1" in str(error.value)
