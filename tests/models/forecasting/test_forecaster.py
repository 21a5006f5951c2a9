"""The forecaster: it starts as the seasonal naive forecast, and no forecast depends on what it must not."""

from __future__ import annotations

import pytest
import torch

from seqloom.errors import ConfigError
from seqloom.models.forecasting.ensemble import ForecastEnsemble
from seqloom.models.forecasting.forecaster import Covariates, CovariateSizes, Forecaster, History
from seqloom.models.forecasting.outputs import OutputLayer
from seqloom.models.forecasting.rollout import Paths, extend, forecast_direct, forecast_paths
from seqloom.models.recurrent_stack import RecurrentConfig

H = 3
SIZES = CovariateSizes(1, 2, 1)


def histories(lengths: list[int], steps: int, seed: int = 0, ahead: int = H) -> History:
    generator = torch.Generator().manual_seed(seed)
    rows = len(lengths)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    covariates = Covariates(draw(rows, steps, 1), draw(rows, steps + ahead, 2), draw(rows, 1))
    observed = torch.ones(rows, steps, dtype=torch.bool)
    return History(draw(rows, steps), observed, torch.tensor(lengths), covariates)


def random_model(horizon: int = H, kind: str = "quantile", **options: object) -> Forecaster:
    """None of its weights is 0, as those of the output layer are in a new one."""
    torch.manual_seed(0)
    output = OutputLayer(kind, (0.1, 0.5, 0.9))  # type: ignore[arg-type]
    model = Forecaster(horizon, [4, 2], output, RecurrentConfig("gru", 6), SIZES, **options).double()  # type: ignore[arg-type]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def test_a_new_model_is_nearly_the_seasonal_naive_forecast() -> None:
    torch.manual_seed(0)
    model = Forecaster(6, [4], OutputLayer("mae"), RecurrentConfig("lstm", 8), SIZES).double()
    history = histories([12], 12, ahead=6)
    forecast = model(history)[0, 0, :, 0]
    season = history.values[0, 8:12]
    naive = torch.cat([season, season[:2]])
    last = history.values[0, 11]
    # The softmax gives the last value a weight of 1 / (1 + exp(4)).
    torch.testing.assert_close(forecast, naive + (last - naive) / (1 + torch.e**4))


def test_padding_changes_nothing() -> None:
    model = random_model(linear_steps=5)
    together = histories([9, 5], 9)
    alone = History(
        together.values[1:, :5],
        together.observed[1:, :5],
        together.lengths[1:],
        Covariates(
            together.covariates.historic[1:, :5],
            together.covariates.future[1:, : 5 + H],
            together.covariates.static[1:],
        ),
    )
    torch.testing.assert_close(model(together)[1], model(alone)[0])


def test_a_fork_forecasts_what_the_same_history_alone_does() -> None:
    model = random_model(linear_steps=2)
    whole = histories([12], 12)
    forks = model(whole, context=5, forks=3, stride=2)[0]
    for fork, length in enumerate([8, 10, 12]):
        cut = whole._replace(lengths=torch.tensor([length]))
        torch.testing.assert_close(forks[fork], model(cut, context=5 + 2 * fork)[0, 0])


def test_what_comes_after_the_last_step_is_not_read() -> None:
    """But for the covariates that are known ahead, which are."""
    model = random_model(linear_steps=3)
    history = histories([7], 10)
    before = model(history)
    changed = history._replace(
        values=torch.where(torch.arange(10) < 7, history.values, torch.nan),
        covariates=history.covariates._replace(
            historic=torch.where(torch.arange(10)[:, None] < 7, history.covariates.historic, torch.nan)
        ),
    )
    assert torch.equal(model(changed), before)
    future = history.covariates.future.clone()
    future[0, 8] += 1
    ahead = model(history._replace(covariates=history.covariates._replace(future=future)))
    assert torch.equal(ahead[0, 0, 0], before[0, 0, 0])
    assert not torch.equal(ahead[0, 0, 1], before[0, 0, 1])


@pytest.mark.parametrize("kind", ["mae", "mse", "quantile", "student_t", "negative_binomial"])
def test_every_part_has_a_gradient(kind: str) -> None:
    model = random_model(kind=kind, linear_steps=3).train()
    parameters = model(histories([9, 8], 9), context=4, forks=2)
    loss = model.output.loss(parameters, torch.ones(2, 2, H, dtype=torch.float64))
    assert loss.shape == (2, 2, H)
    loss.sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_arguments() -> None:
    output, recurrent = OutputLayer("mae"), RecurrentConfig("gru", 4)
    with pytest.raises(ConfigError, match=r"^Forecaster: horizon must be an int >= 1\. Got 0\.$"):
        Forecaster(0, [1], output, recurrent)
    with pytest.raises(ConfigError, match=r"^Forecaster: bidirectional must be False"):
        Forecaster(2, [1], output, recurrent._replace(bidirectional=True))
    with pytest.raises(
        ConfigError, match=r"^Forecaster: quantiles must rise, above 0 and below 1\. Got \[0\.5"
    ):
        Forecaster(2, [1], OutputLayer("quantile", (0.5, 0.2)), recurrent)
    with pytest.raises(ConfigError, match=r"^ForecastEnsemble: size must be an int >= 1\. Got 0\.$"):
        ForecastEnsemble(random_model, 0)


def test_a_longer_horizon_goes_on_from_the_forecast() -> None:
    model = ForecastEnsemble(random_model).double().eval()
    history = histories([8, 6], 8, ahead=5)
    forecast = forecast_direct(model, history, context=8, horizon=5)
    torch.testing.assert_close(forecast[:, :H], model(history)[0, :, 0])
    longer = extend(history, model.output.center(forecast[:, :H]))
    torch.testing.assert_close(forecast[:, H:], model(longer, 8)[0, :, 0, :2])


def test_paths_repeat_a_recurrence_step_by_step() -> None:
    """Without randomness, from the model's own point forecasts."""
    model = ForecastEnsemble(lambda: random_model(horizon=1, kind="mse")).double().eval()
    history = histories([8, 5], 8, ahead=4)
    scale = torch.ones(2, dtype=torch.float64)
    paths = forecast_paths(model, history, 8, 4, Paths(number=1), scale)
    assert paths.shape == (2, 1, 4)
    for step in range(4):
        expected = model(history)[0, :, 0, 0, 0]
        torch.testing.assert_close(paths[:, 0, step], expected)
        history = extend(history, expected[:, None])


def test_paths_do_not_depend_on_who_shares_the_batch() -> None:
    model = ForecastEnsemble(lambda: random_model(horizon=1, kind="student_t"), 2).double().eval()
    history, scale = histories([8, 5], 8, ahead=4), torch.ones(2, dtype=torch.float64)
    together = forecast_paths(model, history, 8, 4, Paths(7, seed=3), scale)
    assert together.shape == (2, 7, 4)
    row = History(
        history.values[1:],
        history.observed[1:],
        history.lengths[1:],
        Covariates(*(columns[1:] for columns in history.covariates)),
    )
    torch.testing.assert_close(forecast_paths(model, row, 8, 4, Paths(7, seed=3), scale[1:])[0], together[1])
    other = forecast_paths(model, history, 8, 4, Paths(7, seed=4), scale)
    assert not torch.equal(other, together)
