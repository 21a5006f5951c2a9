"""Forecasts as far as one likes: from one pass, from the model's own forecasts, or from its own draws."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.models.forecasting.ensemble import ForecastEnsemble
from seqloom.models.forecasting.forecaster import Forecaster, History
from seqloom.state import map_state


class Paths(NamedTuple):
    """How many paths are drawn, and from which seed."""

    number: int = 100
    seed: int = 0


def extend(history: History, values: Tensor) -> History:
    """Series with further values (B, k) after their last ones, as if these had been observed.

    Of historic covariates the last row goes on.
    """
    B, k = values.shape
    places = history.lengths.unsqueeze(1) + torch.arange(k, device=values.device)
    pad = lambda tensor: torch.cat([tensor, tensor.new_zeros(B, k, *tensor.shape[2:])], 1)  # noqa: E731
    historic = pad(history.covariates.historic)
    width = historic.shape[-1]
    last = historic.gather(1, (history.lengths - 1).view(B, 1, 1).expand(-1, -1, width))
    historic = historic.scatter(1, places.unsqueeze(-1).expand(-1, -1, width), last.expand(-1, k, -1))
    return History(
        pad(history.values).scatter(1, places, values.to(history.values)),
        pad(history.observed).scatter(1, places, True),
        history.lengths + k,
        history.covariates._replace(historic=historic),
    )


def forecast_direct(model: ForecastEnsemble, history: History, context: int, horizon: int) -> Tensor:
    """The parameters (B, horizon, K) of forecasts, averaged over the ensemble.

    Beyond the horizon that the model was trained for it goes on from its own forecasts; `history` must have
    the covariates that are known ahead for all of it.
    """
    parts: list[Tensor] = []
    steps = 0
    while steps < horizon:
        parameters = model(history, context)[:, :, 0].mean(0)
        parts.append(parameters)
        steps += model.horizon
        if steps < horizon:
            history = extend(history, model.output.center(parameters))
    return torch.cat(parts, 1)[:, :horizon]


def forecast_paths(
    model: ForecastEnsemble, history: History, context: int, horizon: int, paths: Paths, scale: Tensor
) -> Tensor:
    """Paths (B, number, horizon) drawn step by step, each member its share; in units of the window.

    All rows draw the same random numbers, so that a row's paths do not depend on who shares its batch.

    Args:
        model: of horizon 1.
        history: with the covariates that are known ahead for all of the horizon.
        context: steps that are read.
        horizon: steps to forecast.
        paths: how many, from which seed.
        scale: (B,), what counts were divided by.
    """
    if model.output.kind in ("mae", "mse"):
        paths = paths._replace(number=len(model.members))
    shares = [len(part) for part in torch.arange(paths.number).tensor_split(len(model.members))]
    drawn = [
        _member_paths(member, history, context, horizon, Paths(share, paths.seed + 7919 * number), scale)  # type: ignore[arg-type]
        for number, (member, share) in enumerate(zip(model.members, shares, strict=True))
        if share
    ]
    return torch.cat(drawn, 1)


def _member_paths(
    model: Forecaster, history: History, context: int, horizon: int, paths: Paths, scale: Tensor
) -> Tensor:
    history = history.to(model.head.weight.dtype)
    hidden, first, state = model.encode(history, context)
    rows = torch.arange(len(first), device=model.device)
    h = hidden[history.lengths - 1 - first, rows]
    number, B = paths.number, len(rows)
    repeat = lambda tensor: tensor.repeat_interleave(number, 0)  # noqa: E731
    lengths = repeat(history.lengths)
    longer = extend(history, history.values.new_zeros(B, horizon))
    covariates = longer.covariates
    covariates = covariates._replace(
        historic=repeat(covariates.historic),
        future=repeat(covariates.future),
        static=repeat(covariates.static),
    )
    longer = History(repeat(longer.values), repeat(longer.observed), lengths + horizon, covariates)
    h, scale = repeat(h), repeat(scale)
    state = map_state(lambda tensor: tensor.repeat_interleave(number, 1), state)
    generators = [torch.Generator().manual_seed(paths.seed) for _ in range(B)]
    for step in range(horizon):
        parameters = model.parameters_at(h.unsqueeze(1), longer, (lengths + step - 1).unsqueeze(1))[:, 0, 0]
        draws = [
            model.output.sample(part, generator, of)
            for part, generator, of in zip(
                parameters.cpu().split(number), generators, scale.cpu().split(number), strict=True
            )
        ]
        z = torch.cat(draws).to(longer.values)
        longer.values.scatter_(1, (lengths + step).unsqueeze(1), z.unsqueeze(1))
        if step + 1 < horizon:
            x = model.features(longer, (lengths + step).unsqueeze(1)).transpose(0, 1)
            output, state = model.layers(x, state)
            h = output[0]
    places = lengths.unsqueeze(1) + torch.arange(horizon, device=model.device)
    return longer.values.gather(1, places).view(B, number, horizon)
