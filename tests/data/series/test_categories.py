"""Columns of words beside a series: an input for each word of training, from a file to a forecast."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from seqloom.data.read import read
from seqloom.data.series.arranging import arrange_series
from seqloom.data.series.dataset import SeriesData
from seqloom.data.series.options import SeriesConfig
from seqloom.data.series.rows import reading
from seqloom.data.series.table import SeriesTable
from seqloom.errors import DataError

WEATHER = ("rain", "sun", "rain", "NA", "wind", "sun")


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
    table = read(path)
    assert isinstance(table, SeriesTable)
    return table


def _arrange(path: Path, **settings: object) -> SeriesData:
    return arrange_series(_table(path), SeriesConfig(horizon=5, categorical=["weather"], **settings))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return _write(tmp_path / "x.csv")


def test_words_are_left_out_until_they_are_asked_for(path: Path) -> None:
    table = _table(path)
    assert arrange_series(table, SeriesConfig()).layout.historic == ("price",)
    expected = "columns of words can be inputs: --set 'data.categorical=[weather]'"
    assert any(remark == expected for remark in table.remarks)


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("cached", [True, False])
def test_an_input_for_each_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool, cached: bool
) -> None:
    """By Arrow and row by row, in memory and in the cache: what is missing is the word before."""
    path = _write(tmp_path / "x.csv", ending="" if plain else "a,a day,1,1,rain")
    if cached:
        monkeypatch.setattr(reading, "MEMORY_BYTES", 1)
    for _ in range(1 + cached):  # written, then found
        data = _arrange(path, exogenous=[])
        assert len(data.skipped) + len(_table(path).skipped) == (0 if plain else 1)
        (number,) = [number for number, name in enumerate(data.unique_ids) if name == "b"]
        assert data.layout.historic == ("weather=rain", "weather=sun", "weather=wind")
        words = numpy.array(data.layout.historic)[data.series(number).exogenous[:6].argmax(1)]
        assert [word.split("=")[1] for word in words] == ["rain", "sun", "rain", "rain", "wind", "sun"]
        assert (data.series(number).exogenous.sum(1) == 1).all()
        window = data.exogenous_windows(numpy.array([number]), numpy.array([6]), 8)[0]
        assert numpy.isnan(window[:2]).all()  # before the series
        assert numpy.array_equal(window[2:], data.series(number).exogenous[:6])


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
    expected = "weather: 2 of 120 values are words that training does not have: hail"
    assert any(remark == expected for remark in data.remarks)


def test_a_model_reads_the_words_that_it_has_learnt(path: Path, tmp_path: Path) -> None:
    words = _arrange(path).layout.words
    other = _table(_write(tmp_path / "y.csv", ("sun", "fog", "fog", "fog")))
    config = SeriesConfig(horizon=5, categorical=["weather"], exogenous=[])
    data = arrange_series(other, config, words=words)
    assert data.layout.historic == ("weather=rain", "weather=sun", "weather=wind")
    assert data.series(0).exogenous[:2].tolist() == [[0, 1, 0], [0, 0, 0]]
    assert any("words that training does not have: fog" in remark for remark in data.remarks)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("1", "2"), "expected a column of words weather, as data.categorical says. Got none."),
        (tuple(f"w{n % 120}" for n in range(1000)), "at most 100 different words to be an input. Got 1"),
    ],
)
def test_what_is_no_category(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    first = ("w1", "w2") * 300 if words[0] == "w0" else ()  # what is seen first looks like categories
    path = _write(tmp_path / "x.csv", (*first, *words), days=max(60, len(first) + 500))
    with pytest.raises(DataError) as error:
        _arrange(path)
    assert message in str(error.value)
