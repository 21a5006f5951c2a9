"""`seqloom forecast`: a table on standard output, a file, JSON, a page with pictures."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy
import pytest

from seqloom.cli.forecast import parse_levels
from seqloom.errors import ConfigError, DataError, RunError
from seqloom.inference.predictor import load
from seqloom.training.train import train

from .conftest import seqloom


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shops, 60 days."""
    file = tmp_path_factory.mktemp("sales") / "sales.csv"
    days = numpy.datetime64("2024-01-01") + numpy.arange(60)
    week = 100 + 20 * numpy.sin(numpy.arange(60) * 2 * numpy.pi / 7)
    rows = [
        f"{shop},{day},{value + number:.3f}"
        for shop in "ab"
        for number, (day, value) in enumerate(zip(days, week, strict=True))
    ]
    file.write_text("unique_id,ds,y\n" + "\n".join(rows) + "\n")
    return file


@pytest.fixture(scope="module")
def run(sales: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of them, trained for a moment."""
    settings = {"data.horizon": 4, "data.test_steps": 5, "data.context": 14}
    settings |= {"model.hidden_size": 8, "training.max_steps": 5}
    folder, _ = train(sales, task="forecast", settings=settings, out=tmp_path_factory.mktemp("run") / "run")
    return folder


def _command(*arguments: object) -> str:
    done = seqloom(*arguments, cwd=Path())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_table_from_the_last_observed_step_on(run: Path, sales: Path) -> None:
    rows = list(csv.DictReader(_command("forecast", run, sales).splitlines()))
    assert [row["unique_id"] for row in rows] == ["a"] * 4 + ["b"] * 4
    assert [row["ds"] for row in rows[:4]] == ["2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"]
    assert list(rows[0]) == ["unique_id", "ds", "mean", "lo-80", "hi-80", "lo-90", "hi-90"]
    assert all(float(row["lo-90"]) <= float(row["lo-80"]) <= float(row["hi-80"]) for row in rows)


def test_without_data_it_goes_on_with_what_the_model_was_trained_on(run: Path, sales: Path) -> None:
    assert _command("forecast", run) == _command("forecast", run, sales)


def test_files_and_json(run: Path, sales: Path, tmp_path: Path) -> None:
    table, page = tmp_path / "f.csv", tmp_path / "f.html"
    arguments = ("forecast", run, sales, "--horizon", 6, "--level", "50", "--out", table, "--plot", page)
    assert _command(*arguments) == ""
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 12
    assert list(rows[0]) == ["unique_id", "ds", "mean", "lo-50", "hi-50"]
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "trained for 4 steps: later ones go on from the forecast itself" in text
    assert "2024-03-06\nforecast" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    for option, file in (("--out", table), ("--plot", page)):
        before = file.read_bytes()
        done = seqloom("forecast", run, sales, option, file, cwd=tmp_path)
        assert done.returncode == 2
        line = f"{file}: expected a new file. Got one that exists. Name another, or add --overwrite."
        assert line in done.stderr
        assert file.read_bytes() == before
    assert _command("forecast", run, sales, "--horizon", 3, "--out", table, "--overwrite") == ""
    assert len(table.read_text().splitlines()) == 7
    answer = json.loads(_command("forecast", run, sales, "--level", "none", "--json"))
    assert list(answer) == ["run", "data", "remarks", "forecasts"]
    assert list(answer["forecasts"][0]) == ["unique_id", "ds", "mean"]


def test_a_backtest_has_cutoffs_and_what_came(run: Path, sales: Path, tmp_path: Path) -> None:
    page = tmp_path / "back.html"
    options = ("--split", "test", "--set", "decoding.n_windows=2", "--set", "decoding.step_size=1")
    rows = list(csv.DictReader(_command("forecast", run, sales, *options, "--plot", page).splitlines()))
    assert list(rows[0])[:5] == ["unique_id", "ds", "cutoff", "y", "mean"]
    assert [row["cutoff"] for row in rows[:8]] == ["2024-02-24"] * 4 + ["2024-02-25"] * 4
    assert [row["ds"] for row in rows[4:8]] == ["2024-02-26", "2024-02-27", "2024-02-28", "2024-02-29"]
    table = {
        (row["unique_id"], row["ds"]): row["y"] for row in csv.DictReader(sales.read_text().splitlines())
    }
    assert all(float(row["y"]) == float(table[row["unique_id"], row["ds"]]) for row in rows)
    assert "what came" in page.read_text()
    with pytest.raises(DataError, match=r"expected a split named future\. Got train, validation, test\.$"):
        load(run).forecast(sales, split="future")


def test_levels_are_a_setting_too(run: Path, sales: Path) -> None:
    by_option = _command("forecast", run, sales, "--level", "50")
    assert _command("forecast", run, sales, "--set", "decoding.level=[50]") == by_option
    both = ("--level", "50", "--set", "decoding.level=[80]")
    assert _command("forecast", run, sales, *both) == by_option
    wrong = seqloom("forecast", run, sales, "--set", "decoding.level=50", cwd=Path())
    assert wrong.returncode == 2
    assert "decoding.level: " in wrong.stderr


def test_levels() -> None:
    for text in ("eighty", "0,90", "80,100", ""):
        with pytest.raises(ConfigError, match=r"^--level: expected numbers between 0 and 100, as in 80,90\."):
            parse_levels(text)


def test_errors(run: Path, sales: Path, tmp_path: Path) -> None:
    model = load(run)
    with pytest.raises(ConfigError, match=r"^forecast: the horizon must be an int >= 1\. Got 0\.$"):
        model.forecast(sales, h=0)
    text = tmp_path / "text.txt"
    text.write_text("no series at all, only words\n")
    with pytest.raises(DataError):
        model.forecast(text)


def test_a_model_of_another_task(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("abcd " * 400)
    settings = {
        "model.hidden_size": 4,
        "training.max_steps": 1,
        "training.batch_size": 2,
        "training.window": 8,
    }
    folder, _ = train(text, settings=settings, out=tmp_path / "run")
    with pytest.raises(RunError, match=r"expected a model that forecasts series\. Got the task generate\.$"):
        load(folder).forecast(text)


def test_the_training_data_has_moved(run: Path, sales: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "resume")
    with pytest.raises(RunError, match=r"expected DATA, the series to go on with\. Got none\.$"):
        load(copy).forecast()
