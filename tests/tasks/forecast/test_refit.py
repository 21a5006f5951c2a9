"""`evaluate --refit`: trained anew before windows of a backtest, on all that is known then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch

import seqloom
from seqloom.errors import ConfigError
from seqloom.inference.predictor import Predictor, load
from seqloom.tasks.forecasting import BacktestStage
from seqloom.training.train import train

from .conftest import SMALL, weekly, write_series

Trained = Callable[..., Predictor]


def _stages(model: Predictor, data: Path, every: int, **decoding: object) -> list[BacktestStage]:
    task, context = model.config.task, model.context(**decoding)
    series = task.divide(model.preparation, model.config.read(data))
    preparation = task.evaluated(model.preparation, context.decoding)
    return task.stages(preparation, series, "test", every)  # type: ignore[attr-defined]


@pytest.mark.parametrize("every", [1, 2, 5])
def test_stages_have_every_window_once_and_know_what_is_before_it(
    trained: Trained, tmp_path: Path, every: int
) -> None:
    model = trained()
    data = write_series(tmp_path / "x.csv", {"long": weekly(90), "short": weekly(60), "one": weekly(9)})
    series = model.config.task.divide(model.preparation, model.config.read(data))
    preparation = model.config.task.evaluated(model.preparation, model.context(step_size=3).decoding)
    windows = preparation.windows(series, "test")
    stages = _stages(model, data, every, step_size=3)
    rows = numpy.concatenate([stage.rows for stage in stages])
    assert sorted(rows.tolist()) == list(range(len(windows)))
    for stage in stages:
        own = preparation.windows(stage.data, "test")
        for name in ("numbers", "cutoffs", "stops"):
            assert getattr(own, name).tolist() == getattr(windows, name)[stage.rows].tolist()
        known = stage.data.splits["train"].stops
        assert (known[own.numbers] <= own.cutoffs).all()
        assert (known <= series.split("test").stops).all()
        first = dict(zip(own.numbers[::-1].tolist(), own.cutoffs[::-1].tolist(), strict=True))
        assert all(known[number] == cutoff for number, cutoff in first.items())


def test_a_refit_learns_from_the_steps_that_were_held_out(tmp_path: Path) -> None:
    """A season that begins in the validation split: the run does not know it, a refit does."""
    steps = numpy.arange(90)
    old = numpy.random.default_rng(0).normal(size=90)
    y = numpy.where(steps < 50, 53 + 5 * old, 50 + 10 * (steps % 5 == 0))
    data = write_series(tmp_path / "x.csv", {"a": y})
    settings = {
        **SMALL,
        "data.season": 5,
        "data.lags": [1],
        "data.validation_steps": 28,
        "data.test_steps": 12,
        "model.linear_steps": 0,
    }
    settings |= {"training.learning_rate": 0.05, "training.averaging": None}
    settings |= {"training.max_steps": 100, "training.validate_every": 100}
    train(data, task="forecast", settings=settings, out=tmp_path / "run")
    model, lines = load(tmp_path / "run"), list[str]()
    before = model.evaluate(data, "test")
    after = model.evaluate(data, "test", refit=3, log=lines.append)
    assert after.metrics["mae"] < 0.7 * before.metrics["mae"]  # it is about half
    assert after.baseline == before.baseline
    assert after.difference is not None  # its windows are matched with those of the baseline
    assert lines[1] == "refit 1 of 1: train 78 steps, test 12 steps; 100 steps of training"
    assert "the baseline is not refitted" in after.remarks
    assert "the baseline is not refitted" not in before.remarks
    assert model.evaluate(data, "test").metrics == before.metrics  # the run is as it was


def test_what_is_after_a_cutoff_is_measured_by_nothing(tmp_path: Path) -> None:
    y = weekly(60)
    data = write_series(tmp_path / "x.csv", {"a": y})
    short = {**SMALL, "training.max_steps": 3, "training.validate_every": 3}
    train(data, task="forecast", settings=short, out=tmp_path / "run")
    model = load(tmp_path / "run")
    (first, *_) = _stages(model, data, 1)
    cutoff = int(first.data.splits["train"].stops[0])
    y[cutoff:] += 1000
    other = write_series(tmp_path / "y.csv", {"a": y})
    (again, *_) = _stages(model, other, 1)
    assert first.data.splits["train"].stops.tolist() == again.data.splits["train"].stops.tolist()
    measured = [model.preparation.sizes(stage.data) for stage in (first, again)]
    assert numpy.array_equal(*measured)  # what the loss of a refit weighs by


def test_a_refit_is_the_same_whatever_the_default_device(tmp_path: Path) -> None:
    data = write_series(tmp_path / "x.csv", {"a": weekly(60)})
    short = {**SMALL, "training.max_steps": 3, "training.validate_every": 3}
    train(data, task="forecast", settings=short, out=tmp_path / "run")
    expected = load(tmp_path / "run", device="cpu").evaluate(data, "test", refit=5)
    with torch.device("meta"):
        trained = seqloom.train(data, task="forecast", settings=short, out=tmp_path / "other")
        assert trained.evaluate(data, "test").metrics["mase"] > 0
        report = load(tmp_path / "run", device="cpu").evaluate(data, "test", refit=5)
    assert report.metrics == expected.metrics


@pytest.mark.parametrize(
    ("split", "refit", "message"),
    [
        ("train", 1, "evaluate: refit needs the split validation or test. Got train."),
        ("test", 0, "evaluate: refit must be an int >= 1. Got 0."),
    ],
)
def test_refused(trained: Trained, weeks: Path, split: str, refit: int, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        trained().evaluate(weeks, split, refit=refit)
    assert str(error.value) == message
