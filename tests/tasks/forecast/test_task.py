"""The task `forecast`: every output, covariates, calibrated bands, an ensemble, resuming, bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

from seqloom.errors import DataError
from seqloom.inference.predictor import Predictor, load
from seqloom.runs import weights
from seqloom.tasks.forecast.predicting import Calibration
from seqloom.training.train import train

from .conftest import SMALL, weekly, write_series

Trained = Callable[..., Predictor]


@pytest.mark.parametrize("output", ["mae", "mse", "student_t", "negative_binomial"])
@pytest.mark.parametrize("steps", ["direct", "autoregressive"])
def test_every_output_forecasts_with_bands(
    trained: Trained, weeks: Path, counts: Path, output: str, steps: str
) -> None:
    scaling, data = ("mean", counts) if output == "negative_binomial" else ("last", weeks)
    settings = {"model__output": output, "model__steps": steps, "data__scaling": scaling}
    model = trained(data, **settings, training__max_steps=3)
    forecast = model.forecast(weeks, level=[50, 90], num_samples=20)
    assert list(forecast.columns) == ["mean", "lo-50", "hi-50", "lo-90", "hi-90"]
    with torch.device("meta"):  # on which nothing can be computed
        again = model.forecast(weeks, level=[50, 90], num_samples=20)
    assert all(numpy.array_equal(again.columns[name], values) for name, values in forecast.columns.items())
    low, high = forecast.columns["lo-90"], forecast.columns["hi-90"]
    assert (low <= high).all()
    assert (low < high).mean() >= 0.5  # a model of three steps has bands so wide that calibration closes them
    report = model.evaluate(weeks, "test", num_samples=20)
    names = {"mase", "smape", "owa", "mse", "mae", "wql", "coverage_80", "width_80"}
    assert names <= set(report.metrics)
    assert {name.split()[0] for name in report.details["baselines"]} == {"persistence", "seasonal", "ridge"}


def test_a_column_of_words_known_ahead_is_learnt(tmp_path: Path) -> None:
    """Sales of a shop that is shut on days without a pattern; a word that is new is none of those learnt."""
    days = numpy.random.default_rng(0).integers(0, 2, 100)
    rows = [f"{day},{20 if is_open else 0},{('shut', 'open')[is_open]}" for day, is_open in enumerate(days)]
    data = tmp_path / "shop.csv"
    data.write_text("ds,y,shop\n" + "\n".join(rows[:96] + [f"{day},,open" for day in range(96, 100)]) + "\n")
    words = {"data.categorical": ["shop"], "data.known_future": ["shop"]}
    settings = {**SMALL, **words, "training.max_steps": 60, "training.learning_rate": 0.05}
    train(data, task="forecast", settings=settings, out=tmp_path / "run")
    model = load(tmp_path / "run")
    assert model.preparation.columns.future == ("shop=open", "shop=shut")
    assert (model.forecast(data).columns["mean"] > 10).all()
    data.write_text(data.read_text().replace(",,open", ",,shut"))
    assert (model.forecast(data).columns["mean"] < 10).all()
    data.write_text(data.read_text().replace(",,shut", ",,sold"))
    remarks = model.forecast(data).remarks
    assert list(remarks) == ["shop: 4 of 100 values are words that training does not have: sold"]


def test_the_same_seed_draws_the_same_paths(trained: Trained, weeks: Path) -> None:
    model = trained(model__steps="autoregressive")
    first, same, other = (
        model.forecast(weeks, num_samples=10, seed=seed).columns["lo-80"] for seed in (1, 1, 2)
    )
    assert numpy.array_equal(first, same)
    assert not numpy.array_equal(first, other)


def test_a_report_on_the_validation_split_has_a_baseline_of_the_same_forecasts(tmp_path: Path) -> None:
    """Without a test split; `decoding.n_windows` asks for fewer forecasts of a test."""
    values = [10 + day % 7 + (day % 3) / 10 for day in range(140)]
    for split, days in (("train", range(98)), ("validation", range(98, 140))):
        rows = "".join(f"a,{day},{values[day]}\n" for day in days)
        (tmp_path / f"{split}.csv").write_text(f"unique_id,ds,y\n{rows}")
    settings = {**SMALL, "data.season": 7, "data.horizon": 7, "decoding.n_windows": 2}
    _, report = train(tmp_path, task="forecast", settings=settings, out=tmp_path / "run")
    assert report.split == "validation"
    assert report.difference is not None


def prices(file: Path, ahead: int, seed: int = 0) -> Path:
    """Sales that are 100 less ten times a price that is known beforehand, and of which no past tells."""
    generator = numpy.random.default_rng(seed)
    price = generator.integers(1, 8, 120 + ahead)
    days = numpy.datetime64("2024-01-01") + numpy.arange(120 + ahead)
    rows = [
        f"a,{day},{100 - 10 * p if number < 120 else ''},{p}"
        for number, (day, p) in enumerate(zip(days, price, strict=True))
    ]
    file.write_text("unique_id,ds,y,price\n" + "\n".join(rows) + "\n")
    return file


def test_what_is_known_ahead_is_used_and_must_reach_as_far(tmp_path: Path) -> None:
    file = prices(tmp_path / "prices.csv", ahead=4)
    settings = {**SMALL, "data.known_future": ["price"], "data.calendar": False, "training.max_steps": 120}
    settings |= {"training.learning_rate": 0.02, "training.averaging": 0.9, "model.output": "mae"}
    train(file, task="forecast", settings=settings, out=tmp_path / "run")
    model = load(tmp_path / "run")
    forecast = model.forecast(file).columns["mean"]
    price = numpy.random.default_rng(0).integers(1, 8, 124)[120:]
    assert numpy.abs(forecast - (100 - 10 * price)).max() < 10  # the values vary by 20
    expected = r"expected price for 4 steps after the end of a\. Got 2\. Add rows without y"
    with pytest.raises(DataError, match=expected):
        model.forecast(prices(tmp_path / "short.csv", ahead=2))
    with pytest.raises(DataError, match=r"expected price for 9 steps after the end of a\. Got 4\."):
        model.forecast(file, h=9)
    other = write_series(tmp_path / "other.csv", {"a": weekly(60)})
    with pytest.raises(DataError, match="price"):
        model.forecast(other)


def test_bands_hold_what_they_say_on_the_validation_split(trained: Trained, weeks: Path) -> None:
    model = trained(data__validation_steps=28, data__test_steps=8, training__max_steps=3)
    assert model.preparation.calibration.levels
    calibrated = model.evaluate(weeks, "validation", step_size=1).metrics
    raw = model.evaluate(weeks, "validation", step_size=1, calibrated=False).metrics
    assert abs(calibrated["coverage_90"] - 0.9) < 0.05 < abs(raw["coverage_90"] - 0.9)


def test_calibration_between_levels_is_interpolated() -> None:
    calibration = Calibration((80.0, 90.0), ((1.0, 2.0), (3.0, 4.0)))
    assert calibration.moves(85, 3).tolist() == [2.0, 3.0, 3.0]
    assert Calibration().moves(80, 2).tolist() == [0.0, 0.0]


def test_an_ensemble_averages_its_members(trained: Trained, weeks: Path) -> None:
    model = trained(model__ensemble_size=2, model__output="mae", training__max_steps=3)
    first, second = (member.layers[0].weight_hh_l0 for member in model.model.members)
    assert not torch.equal(first, second)
    together = model.forecast(weeks).columns["mean"]
    alone = []
    for number in range(2):
        copy = load(model.folder)
        copy.model.members[1 - number].load_state_dict(copy.model.members[number].state_dict())
        alone.append(copy.forecast(weeks).columns["mean"])
    numpy.testing.assert_allclose(together, (alone[0] + alone[1]) / 2, rtol=1e-5)  # float32


def test_a_training_resumes_bit_for_bit(weeks: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "training.max_steps": 8, "training.schedule": "constant", "training.warmup_steps": 0}
    train(weeks, task="forecast", settings=settings, out=tmp_path / "whole")
    train(weeks, task="forecast", settings={**settings, "training.max_steps": 5}, out=tmp_path / "parts")
    train(out=tmp_path / "parts", resume=True, settings={"training.max_steps": 8})
    whole, parts = (weights.read(tmp_path / name / "model.safetensors")[0] for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_answers_to_numbers_alone(trained: Trained) -> None:
    model = trained()
    (answer,) = model.predict([weekly(30).tolist()])
    assert len(answer.text.split()) == 4
    assert list(answer.details) == ["mean", "lo-80", "hi-80", "lo-90", "hi-90"]
    (same,) = model.predict([" ".join(map(repr, weekly(30).tolist()))])
    assert same == answer
    for wrong in ("one two", [], [float("inf")], [None, None], 3):
        with pytest.raises(DataError, match=r"^forecast: a series must (be numbers|hold finite numbers)\."):
            model.predict([wrong])
