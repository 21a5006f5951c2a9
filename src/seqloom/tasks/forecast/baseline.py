"""Trivial predictors: persistence, seasonal naive, a ridge regression on lags; the best of them counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy

from seqloom.baselines.budget import describe_share
from seqloom.baselines.series.linear import (
    LinearLags,
    choose_linear_lags,
    fit_linear_lags,
    window_scales,
)
from seqloom.baselines.series.naive import naive_deviations, normal_quantiles, persistence, seasonal_naive
from seqloom.data.series.dataset import SeriesData, fill_gaps
from seqloom.data.series.windows import Windows, describe_shortage, rolling_windows
from seqloom.tasks.base import Baseline, Rows
from seqloom.tasks.forecast.predicting import Predicted, quantile_levels
from seqloom.tasks.forecast.preparation import Preparation
from seqloom.tasks.forecast.reference import Reference, measure_reference
from seqloom.tasks.forecast.scores import count_forecasts, forecast_scores

SHOWN = ("mase", "owa", "mse", "mae", "wql")
CHUNK = 2048
"""Windows at a time"""
MAX_WINDOWS = 100_000
"""That the regression is fitted to: more say little more, and these take a second or two."""
SEASONS_OF_LAGS, MAX_LAGS = 14, 512
HISTORY = 2000
"""Steps from which the deviation of a naive forecast is estimated, at most"""

Point = Callable[[Windows], tuple[numpy.ndarray, numpy.ndarray]]
"""From some windows to the mean and the deviation of their forecasts, (B, h) each"""


def best_baseline(preparation: Preparation, data: SeriesData, split: str) -> Baseline | None:
    """The best of the trivial predictors by MASE, or by the absolute error; details have all their scores."""
    series = preparation.arrange(data)
    windows = preparation.windows(series, split)
    if not len(windows.numbers):
        return None
    h, season = preparation.horizon, preparation.season
    points: dict[str, Point] = {"persistence": naive_forecasts(series, 1, h)}
    if season > 1:
        points["seasonal naive"] = naive_forecasts(series, season, h)
    ridge, total = fit_ridge(preparation, series)
    if ridge is not None:
        points[f"ridge on {ridge.model.lags} lags"] = ridge.forecast
    reference = measure_reference(series, windows, season, h)
    rows = {name: _measure(preparation, series, windows, reference, point) for name, point in points.items()}
    scores = {name: forecast_scores(part) for name, part in rows.items()}
    best = min(scores, key=lambda name: scores[name].get("mase", scores[name].get("mae", numpy.inf)))
    fitted = describe_share(min(total, MAX_WINDOWS), total, "row") if best.startswith("ridge") else ""
    shown = {name: {key: value[key] for key in SHOWN if key in value} for name, value in scores.items()}
    shortage = describe_shortage(windows, preparation.backtest.n_windows)
    hint = f" (data.{split}_steps)" if split in ("validation", "test") else ""
    details = {"backtest": f"{shortage}{hint}"} if shortage else {}
    return Baseline(best, rows[best], fitted, {"baselines": shown, **details})


def _measure(
    preparation: Preparation, series: SeriesData, windows: Windows, reference: Reference, point: Point
) -> Rows:
    h, bands = preparation.horizon, preparation.backtest.level
    levels, parts = quantile_levels(bands), []
    for start in range(0, len(windows.numbers), CHUNK):
        some = windows[start : start + CHUNK]
        y = targets_of(series, some, h)
        mean, deviation = point(some)
        predicted = Predicted(mean, levels, normal_quantiles(mean, deviation, levels), has_bands=True)
        counts = count_forecasts(y, predicted, reference.take(numpy.arange(start, start + len(y))), bands)
        parts.append(Rows(numpy.full(len(y), numpy.nan), counts["steps"], counts))
    return Rows.join(parts)  # in the order of the windows, so that they pair with the model's


def targets_of(series: SeriesData, windows: Windows, horizon: int) -> numpy.ndarray:
    """What came (B, h), up to the stop of each window."""
    y = series.windows(windows.numbers, windows.cutoffs + horizon, horizon)
    y[windows.cutoffs[:, None] + numpy.arange(horizon) >= windows.stops[:, None]] = numpy.nan
    return y


def naive_forecasts(series: SeriesData, season: int, horizon: int) -> Point:
    """The last season of each window again and again; with a season of 1 its last value."""

    def forecast(windows: Windows) -> tuple[numpy.ndarray, numpy.ndarray]:
        period = min(season, int(windows.cutoffs.min()))
        length = min(int(windows.cutoffs.max()), max(HISTORY, 2 * season))
        y = series.windows(windows.numbers, windows.cutoffs, length)
        filled = fill_gaps(y, series.layout.fill)[:, -max(season, 1) :]
        mean = persistence(filled, horizon) if season == 1 else seasonal_naive(filled, season, horizon)
        short = windows.cutoffs < season
        if period < season and short.any():  # a history shorter than a season is repeated as a whole
            for row in numpy.flatnonzero(short).tolist():
                own = filled[row : row + 1, -int(windows.cutoffs[row]) :]
                mean[row] = seasonal_naive(own, season, horizon)[0]
        return mean, naive_deviations(y, season, horizon)

    return forecast


class Ridge:
    """A fitted regression, in units of each series or of each window.

    Args:
        model: the weights.
        scale: the size of each of some windows, given their histories.
        series: whose windows are forecast.
    """

    def __init__(
        self,
        model: LinearLags,
        scale: Callable[[Windows, numpy.ndarray], numpy.ndarray],
        series: SeriesData,
    ) -> None:
        self.model, self._scale, self._series = model, scale, series

    def forecast(self, windows: Windows) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Mean and deviation (B, h)."""
        history = _histories(self._series, windows, self.model.lags)
        return self.model.forecast(history, self._scale(windows, history))


def fit_ridge(preparation: Preparation, series: SeriesData) -> tuple[Ridge | None, int]:
    """The best regression by the validation split, and how many training windows there are."""
    h, sizes = preparation.horizon, preparation.sizes(series)
    train = series.split("train")
    median = int(numpy.median(train.stops))
    wanted = SEASONS_OF_LAGS * preparation.season if preparation.season > 1 else 4 * h
    lags = max(min(wanted, MAX_LAGS, median // 3), 1)
    windows = rolling_windows(train, h)
    is_whole = (windows.cutoffs >= lags) & (windows.stops == windows.cutoffs + h)
    windows, total = windows[is_whole], int(is_whole.sum())
    if total > MAX_WINDOWS:
        windows = windows[numpy.random.default_rng(0).permutation(total)[:MAX_WINDOWS]]
    held_out = rolling_windows(series.split("validation"), h, step_size=max(h // 4, 1))
    held_out = held_out[slice(MAX_WINDOWS)]
    history, y = _histories(series, held_out, lags), targets_of(series, held_out, h)
    unit = numpy.where(sizes[:, 0] > 0, sizes[:, 0], 1.0)

    def of_series(some: Windows, _: numpy.ndarray) -> numpy.ndarray:
        return unit[some.numbers]

    def of_window(_: Windows, history: numpy.ndarray) -> numpy.ndarray:
        return window_scales(history)

    def chunks(scale: Callable[[Windows, numpy.ndarray], numpy.ndarray]) -> Iterator[Sequence[numpy.ndarray]]:
        for start in range(0, len(windows.numbers), CHUNK):
            some = windows[start : start + CHUNK]
            past = _histories(series, some, lags)
            yield numpy.concatenate([past, targets_of(series, some, h)], 1), scale(some, past)

    best, least = None, numpy.inf
    for scale in (of_series, of_window):
        models = fit_linear_lags(chunks(scale), lags)  # type: ignore[arg-type]
        if not models:
            return None, 0
        scales = scale(held_out, history)
        model = choose_linear_lags(models, history, y, scales)
        error = numpy.nanmean(
            numpy.abs(model.forecast(history, scales)[0] - y) / unit[held_out.numbers, None]
        )
        if best is None or error < least:
            best, least = Ridge(model, scale, series), error
    return best, total


def _histories(series: SeriesData, windows: Windows, length: int) -> numpy.ndarray:
    """The last steps before each cutoff (B, length), without NaN."""
    return fill_gaps(series.windows(windows.numbers, windows.cutoffs, length), series.layout.fill)
