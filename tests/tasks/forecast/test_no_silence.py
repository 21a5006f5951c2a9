"""What is skipped, filled, cut or not known is said; and a table does not change what a run has learnt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from seqloom.data.batching import Batching
from seqloom.errors import ConfigError, DataError
from seqloom.evaluation.report import verdict
from seqloom.inference.predictor import Predictor, load
from seqloom.models.forecasting.loss_weights import loss_weights
from seqloom.tasks.forecast import task as forecast_task
from seqloom.tasks.forecast.batches import cut_windows, require_counts
from seqloom.training.train import train

from .conftest import SMALL, weekly, write_series

Trained = Callable[..., Predictor]


def test_a_series_that_cannot_be_used_is_named(trained: Trained, tmp_path: Path) -> None:
    file = write_series(tmp_path / "two.csv", {"s0": weekly(60), "s1": weekly(60)})
    file.write_text(file.read_text().replace("s0,2024-01-09,", "s0,2024-01-09,abc", 1))
    forecast = trained().forecast(file)
    assert set(forecast.unique_id) == {"s1"}
    remark, left_out = forecast.remarks
    assert left_out == "1 of 2 series left out"
    assert remark.startswith("1 bad row: ")
    assert "line 10: `y` must be a finite number. Got abc" in remark
    file = write_series(tmp_path / "double.csv", {"s0": weekly(60), "s1": weekly(60)})
    file.write_text(file.read_text().replace("s0,2024-01-09,", "s0,2024-01-08,", 1))
    remark, left_out = trained().forecast(file).remarks
    assert left_out == "1 of 2 series left out"
    assert "series s0: each time must occur once" in remark


def test_a_missing_value_of_a_column_that_is_known_ahead_is_said(tmp_path: Path) -> None:
    days = numpy.datetime64("2024-01-01") + numpy.arange(64)
    rows = [f"a,{day},{'' if n >= 60 else 100 + n % 7},{n % 7}" for n, day in enumerate(days)]
    file = tmp_path / "prices.csv"
    file.write_text("unique_id,ds,y,price\n" + "\n".join(rows) + "\n")
    settings = {**SMALL, "data.known_future": ["price"], "training.max_steps": 2}
    train(file, task="forecast", settings=settings, out=tmp_path / "run")
    model = load(tmp_path / "run")
    assert not model.forecast(file).remarks
    rows[61] = rows[61].rpartition(",")[0] + ","
    file.write_text("unique_id,ds,y,price\n" + "\n".join(rows) + "\n")
    (remark,) = model.forecast(file).remarks
    assert remark.startswith("exogenous columns without a value: 1 of ")


@pytest.mark.parametrize(
    ("start", "rows", "expected"),
    [
        ("2024-01-05", 1, ["2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11"]),  # a Friday
        ("2024-01-01", 7, ["2024-01-10", "2024-01-11", "2024-01-12", "2024-01-15"]),
    ],
)
def test_steps_are_as_far_apart_as_in_training(
    tmp_path: Path, start: str, rows: int, expected: list[str]
) -> None:
    """Of one row nobody can tell; and what looks like days may be business days."""
    workdays = numpy.busday_offset("2022-01-03", numpy.arange(90))
    values = weekly(90)
    table = "".join(f"a,{day},{value:.3f}\n" for day, value in zip(workdays, values, strict=True))
    (tmp_path / "work.csv").write_text("unique_id,ds,y\n" + table)
    settings = {**SMALL, "data.season": 5, "training.max_steps": 2}
    train(tmp_path / "work.csv", task="forecast", settings=settings, out=tmp_path / "run")
    few = "".join(f"a,{day},100\n" for day in numpy.busday_offset(start, numpy.arange(rows)))
    (tmp_path / "few.csv").write_text("unique_id,ds,y\n" + few)
    assert load(tmp_path / "run").forecast(tmp_path / "few.csv").ds == expected
    (tmp_path / "few.csv").write_text("unique_id,ds,y\na,1,100\na,2,100\n")
    with pytest.raises(DataError, match=r"expected the calendar columns that the model reads: .* Got none"):
        load(tmp_path / "run").forecast(tmp_path / "few.csv")


def test_a_word_of_a_series_is_what_it_was_in_training(tmp_path: Path) -> None:
    """A table that lacks a word, or has a new one, is read with those of training."""
    folder = tmp_path / "shops"
    write_series(folder / "train.csv", {f"s{n}": weekly(60, 50.0 * (n + 1), n) for n in range(3)})
    regions = "unique_id,region\ns0,north\ns1,south\ns2,east\n"
    (folder / "static.csv").write_text(regions)
    train(folder, task="forecast", settings={**SMALL, "training.max_steps": 2}, out=tmp_path / "run")
    model = load(tmp_path / "run")
    assert model.preparation.columns.static == ("region=east", "region=north", "region=south")
    whole = model.forecast(folder)
    other = tmp_path / "other"
    write_series(other / "train.csv", {"s0": weekly(60, 50.0, 0)})
    (other / "static.csv").write_text("unique_id,region\ns0,north\n")
    alone = model.forecast(other)
    assert not alone.remarks
    numpy.testing.assert_allclose(alone.columns["mean"], whole.columns["mean"][:4], rtol=1e-6)
    (other / "static.csv").write_text("unique_id,region\ns0,west\n")
    expected = "region: 1 of 1 series have words that training does not have: west"
    assert list(model.forecast(other).remarks) == [expected]
    (other / "static.csv").write_text("unique_id,region\ns9,north\n")
    expected = "1 series without static columns: they get the means of training"
    assert list(model.forecast(other).remarks) == [expected]


def test_bands_hold_one_another_and_the_median(trained: Trained, tmp_path: Path) -> None:
    """Also where few forecasts of validation tell how wide they should be."""
    levels = [10, 50, 80, 85, 90, 95, 99]
    few = write_series(tmp_path / "few.csv", {"a": weekly(60), "b": weekly(60, 50.0, 1)})
    for steps in ("direct", "autoregressive"):
        model = trained(few, model__steps=steps, training__max_steps=10)
        columns = model.forecast(few, level=levels, num_samples=20).columns
        ends = [columns[f"lo-{level}"] for level in reversed(levels)]
        ends += [columns["mean"], *(columns[f"hi-{level}"] for level in levels)]
        assert (numpy.diff(numpy.stack(ends), axis=0) >= 0).all()


def test_the_quantile_loss_is_the_same_whatever_bands_are_shown(trained: Trained, weeks: Path) -> None:
    """Its nine quantiles are calibrated as the bands are."""
    model = trained()
    (first, second) = (
        model.evaluate(weeks, level=level).metrics["wql"] for level in ([80], [20, 40, 60, 90])
    )
    assert first == second


def test_counts_are_required_where_a_distribution_of_counts_is_learnt(tmp_path: Path, weeks: Path) -> None:
    settings = {**SMALL, "model.output": "negative_binomial"}
    with pytest.raises(ConfigError, match=r"data\.scaling: must be mean or none .* Got standard"):
        train(weeks, task="forecast", settings=settings, out=tmp_path / "run")
    with pytest.raises(DataError, match=r"needs counts: integers from 0 on\. Got \d+\.\d+\. Use quantile"):
        train(weeks, task="forecast", settings={**settings, "data.scaling": "mean"}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    require_counts(numpy.array([0.0, 3.0, numpy.nan, 1e9 + 1e-4]))
    for value in (-1.0, 2.5):
        with pytest.raises(DataError, match="needs counts"):
            require_counts(numpy.array([[1.0, value]]))


def test_no_line_through_a_gap_leads_to_a_target(trained: Trained, tmp_path: Path) -> None:
    """A gap that ends after a fork is filled by the value before it: the next one is a target there."""
    y = numpy.arange(40.0)
    y[20:26] = numpy.nan
    file = write_series(tmp_path / "gap.csv", {"a": numpy.where(numpy.arange(40) > 25, 1000.0, y)})
    preparation = trained(data__fill="interpolate", training__max_steps=2).preparation
    series = preparation.arrange_all(trained().config.read(file))
    windows = preparation.windows(series, "all")
    windows = windows[windows.cutoffs == 32]
    shape = preparation.shape._replace(context=14, reach=14, forks=10, stride=1, scaling="none")
    batch = cut_windows(series, windows, shape, preparation.scales, preparation.sizes(series))
    assert batch.history.values[0, -32:][20:26].tolist() == [19.0] * 6  # the forks are from step 23 on
    alone = cut_windows(
        series, windows, shape._replace(forks=1), preparation.scales, preparation.sizes(series)
    )
    filled = alone.history.values[0][alone.history.values[0] > 0]
    assert 19 < filled[numpy.flatnonzero(filled == 19)[0] + 1] < 1000  # before a cutoff a line is no secret


def test_fewer_forecasts_than_asked_for_are_said(trained: Trained, weeks: Path) -> None:
    model = trained()
    report = model.evaluate(weeks, n_windows=50)
    expected = "50 forecasts of each series were asked for: 6 series have fewer, "
    assert report.details["backtest"].startswith(expected)
    assert any(remark.startswith(expected) for remark in model.forecast(split="test", n_windows=50).remarks)
    assert "backtest" not in model.evaluate(weeks, n_windows=1).details


def test_one_forecast_is_no_evidence(tmp_path: Path) -> None:
    file = write_series(tmp_path / "one.csv", {"a": weekly(60)})
    settings = {**SMALL, "training.max_steps": 20, "data.test_steps": 4}
    _, report = train(file, task="forecast", settings=settings, out=tmp_path / "run")
    assert report.is_better is False
    better = report._replace(metrics={**report.metrics, report.primary_metric.name: 0.0})
    assert "on one row, which may be chance" in verdict(better)


@pytest.mark.parametrize("quantiles", [[0.2, 0.9], [0.2, 0.5, 0.9]], ids=["no median", "median"])
@pytest.mark.parametrize("unit", ["series", "seasonal", "owa"])
def test_an_ensemble_learns_in_every_unit(
    trained: Trained, weeks: Path, unit: str, quantiles: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of the loss are numbers: no gradient goes through the forecasts that they are made of."""
    weights: list[torch.Tensor] = []

    def recorded(*arguments: Any) -> torch.Tensor:
        weights.append(loss_weights(*arguments))
        return weights[-1]

    model = trained(
        model__quantiles=quantiles, model__ensemble_size=2, loss__unit=unit, training__max_steps=2
    )
    preparation, task = model.preparation, model.config.task
    series = preparation.arrange(model.config.read(weeks))
    batch = next(preparation.source(series, "train", Batching(4)).batches(0))
    forecaster = model.model.train()
    monkeypatch.setattr(forecast_task, "loss_weights", recorded)
    loss = task.loss(forecaster, batch, None, model.context())
    assert loss.nats.shape == (4,)
    assert [weight.requires_grad for weight in weights] == [False]
    gradients = torch.autograd.grad(loss.nats.sum(), list(forecaster.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    twice = batch._replace(sizes=2 * batch.sizes)
    if unit != "owa":  # half the weight in units twice as large, where no weight is clamped
        half = task.loss(forecaster, twice, None, model.context()).nats
        torch.testing.assert_close(half, loss.nats / 2)
