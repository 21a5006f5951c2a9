"""Errors of forecasts beside utilsforecast and GluonTS, and what must never make a score better."""

from __future__ import annotations

import math

import numpy
import pytest

from seqloom.metrics.forecast.errors import (
    Counts,
    count_errors,
    count_quantile_losses,
    scores,
    seasonal_errors,
)

LEVELS = [0.1, 0.25, 0.5, 0.9]
NAN = numpy.nan


def total(counts: Counts, rows: slice = slice(None)) -> Counts:
    return {name: values[rows].sum(0) for name, values in counts.items()}


@pytest.fixture
def data() -> tuple[numpy.ndarray, ...]:
    """Histories (N, T), targets and forecasts (N, H), quantiles (N, H, Q) of series of many sizes."""
    generator = numpy.random.default_rng(0)
    sizes = numpy.array([1e-9, 1.0, 50.0, 1e9])[:, None]
    history = sizes * (5 + generator.standard_normal((4, 40)).cumsum(1))
    targets, forecasts, naive2 = (sizes * (5 + generator.standard_normal((4, 6))) for _ in range(3))
    quantiles = numpy.sort(sizes[:, :, None] * (5 + generator.standard_normal((4, 6, 4))), axis=2)
    return history, targets, forecasts, naive2, quantiles


def count(data: tuple[numpy.ndarray, ...], season: int = 4) -> Counts:
    history, targets, forecasts, naive2, quantiles = data
    scales = numpy.array([seasonal_errors(y, season, numpy.array([len(y)]))[0] for y in history])
    errors = count_errors(targets, forecasts, scales, naive2)
    return errors | count_quantile_losses(targets, quantiles, LEVELS)


# Its docstrings have unescaped backslashes, of which Python warns when it first compiles them.
@pytest.mark.filterwarnings("ignore:invalid escape sequence")
def test_scores_are_those_of_utilsforecast(data: tuple[numpy.ndarray, ...]) -> None:
    import pandas
    from utilsforecast import losses

    history, targets, forecasts, naive2, _ = data
    ids = numpy.repeat(numpy.arange(4), 6)
    columns = {"y": targets, "model": forecasts, "naive2": naive2}
    frame = pandas.DataFrame({"unique_id": ids, **{name: part.ravel() for name, part in columns.items()}})
    train = pandas.DataFrame({"unique_id": numpy.repeat(numpy.arange(4), 40), "y": history.ravel()})
    names = ["model", "naive2"]
    mase = losses.mase(frame, names, 4, train)[names].mean()
    smape = 200 * losses.smape(frame, names)[names].mean()  # theirs is from 0 to 1
    expected = {
        "mase": mase["model"],
        "smape": smape["model"],
        "owa": (mase["model"] / mase["naive2"] + smape["model"] / smape["naive2"]) / 2,
        "mse": losses.mse(frame, ["model"])["model"].mean(),
        "mae": losses.mae(frame, ["model"])["model"].mean(),
    }
    measured = scores(total(count(data)))
    assert {name: measured[name] for name in expected} == pytest.approx(expected, rel=1e-10)


@pytest.mark.filterwarnings("ignore:Using `json`-module:UserWarning")
def test_quantile_loss_is_that_of_gluonts(data: tuple[numpy.ndarray, ...]) -> None:
    from gluonts.evaluation import metrics

    _, targets, _, _, quantiles = data
    targets = targets.copy()
    targets[1, 2] = NAN
    masked = numpy.ma.masked_invalid(targets)
    losses = [metrics.quantile_loss(masked, quantiles[:, :, place], q) for place, q in enumerate(LEVELS)]
    expected = numpy.mean(losses) / numpy.ma.abs(masked).sum()
    counts = count((data[0], targets, *data[2:]))
    assert scores(total(counts))["wql"] == pytest.approx(expected, rel=1e-10)


def test_scores_are_functions_of_sums_over_rows(data: tuple[numpy.ndarray, ...]) -> None:
    counts = count(data)
    parts = [total(counts, slice(0, 1)), total(counts, slice(1, 4))]
    joined = {name: parts[0][name] + parts[1][name] for name in counts}
    assert scores(joined) == pytest.approx(scores(total(counts)), rel=1e-12)


def test_steps_without_a_target_count_for_nothing(data: tuple[numpy.ndarray, ...]) -> None:
    history, targets, forecasts, naive2, quantiles = data
    missing = targets.copy()
    missing[:, 4:] = NAN
    cut = scores(total(count((history, targets[:, :4], forecasts[:, :4], naive2[:, :4], quantiles[:, :4]))))
    assert scores(total(count((history, missing, forecasts, naive2, quantiles)))) == pytest.approx(
        cut, rel=1e-12
    )


@pytest.mark.parametrize("value", [NAN, numpy.inf, -numpy.inf])
def test_a_forecast_that_is_no_number_never_improves_a_mean(
    data: tuple[numpy.ndarray, ...], value: float
) -> None:
    before = scores(total(count(data)))
    history, targets, forecasts, naive2, quantiles = (part.copy() for part in data)
    worst = numpy.abs(forecasts - targets)[1].argmax()
    forecasts[1, worst], quantiles[1, worst] = value, value
    after = scores(total(count((history, targets, forecasts, naive2, quantiles))))
    assert after.keys() == before.keys()
    assert all(after[name] > before[name] and not math.isnan(after[name]) for name in before), after


def test_a_constant_series_has_no_mase_and_is_left_out_of_it_alone() -> None:
    y = numpy.array([[7.0] * 20, [1.0, 2.0] * 10])
    scales = numpy.array([seasonal_errors(row, 1, numpy.array([20]))[0] for row in y])
    assert numpy.isnan(scales).tolist() == [True, False]
    counts = count_errors(numpy.array([[7.0, 8], [2, 3]]), numpy.array([[7.0, 7], [2, 1]]), scales)
    assert counts["mase_steps"].tolist() == [0, 2]
    assert scores(total(counts))["mase"] == 1.0
    assert scores(total(counts))["mae"] == 0.75
    assert "mase" not in scores(total(counts, slice(0, 1)))


def test_zeros_forecast_as_zeros_have_no_error() -> None:
    zeros = numpy.zeros((1, 3))
    counts = count_errors(zeros, zeros, numpy.array([NAN]), zeros) | count_quantile_losses(
        zeros, numpy.zeros((1, 3, 4)), LEVELS
    )
    assert scores(total(counts)) == {"smape": 0.0, "mse": 0.0, "mae": 0.0}


def test_the_history_of_mase_has_gaps_and_may_be_short() -> None:
    y = numpy.array([1.0, 2, NAN, 4, 8, 16])
    cutoffs = numpy.array([1, 2, 3, 4, 5, 6])
    numpy.testing.assert_allclose(seasonal_errors(y, 1, cutoffs), [NAN, 1, 1, 1, 2.5, 13 / 3])
    assert numpy.isnan(seasonal_errors(y, 24, cutoffs)).all()
    numpy.testing.assert_allclose(seasonal_errors(y, 2, numpy.array([6])), [(2 + 12) / 2])
