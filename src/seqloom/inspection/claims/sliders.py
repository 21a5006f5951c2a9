"""What the page's sliders show, computed beforehand: radius, lag, and the forget gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from seqloom.inspection.claims.jacobians import norms_by_lag, random_weight, state_gradient_by_lag
from seqloom.inspection.memory.initialization import initialize
from seqloom.layers.recurrent import LSTM, make_layer

RADII = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2)
FORGET = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1.0)
LAGS = (1, 2, 5, 10, 20, 50, 100)
STEPS, UNITS = 100, 64
CELLS = ("rnn", "lstm", "gru")


class Position(NamedTuple):
    """A position of a slider: its name, and curves over the same x."""

    name: str
    curves: dict[str, tuple[float, ...]]


def radius_positions() -> list[Position]:
    """What is left of a gradient at each lag, by spectral radius: linear, and of a tanh RNN with inputs."""
    generator = torch.Generator("cpu").manual_seed(0)
    inputs = 0.1 * torch.randn(STEPS, UNITS, dtype=torch.float64, generator=generator, device="cpu")
    positions = []
    for radius in RADII:
        weight = random_weight(UNITS, radius, 0)
        curves = {
            "linear": norms_by_lag(weight, torch.zeros_like(inputs)),
            "tanh, with inputs": norms_by_lag(weight, inputs),
        }
        positions.append(Position(f"{radius:g}", _plain(curves)))
    return positions


def forget_positions() -> list[Position]:
    """An LSTM's cell that starts at 1, at each step, its forget gate clamped and its input gate shut."""
    positions = []
    for value in FORGET:
        layer: Any = LSTM(1, 1, dtype=torch.float64, device="cpu").requires_grad_(False)
        for weight in layer.parameters():
            weight.zero_()
        layer.bias_ih_l0[0] = -1e4
        layer.bias_ih_l0[1] = torch.logit(torch.tensor(value, dtype=torch.float64)).clamp(-1e4, 1e4)
        one = torch.ones(1, 1, 1, dtype=torch.float64, device="cpu")
        _, _, (gates,) = layer.trace(torch.zeros(STEPS, 1, 1, dtype=torch.float64, device="cpu"), (one, one))
        positions.append(Position(f"{value:g}", {"cell": tuple(gates.c[:, 0, 0].tolist())}))
    return positions


def lag_positions() -> list[Position]:
    """What is left of an untrained cell's gradient at a lag, with torch.nn's gates and with gates for it."""
    shares: dict[str, list[float]] = {}
    x = torch.randn(
        STEPS + 1, 4, 8, dtype=torch.float64, generator=torch.Generator("cpu").manual_seed(0), device="cpu"
    )
    for cell in CELLS:
        for made_for_it in (False, True):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                layer = make_layer(cell, 8, 32, dtype=torch.float64, device="cpu")
                if made_for_it:
                    initialize(layer, STEPS)
            gradient = state_gradient_by_lag(layer, x)
            ours = "orthogonal" if cell == "rnn" else "gates for the lag"
            name = f"{cell.upper()}, {ours if made_for_it else 'torch.nn'}"
            shares[name] = (gradient / gradient[0]).tolist()
    return [Position(f"{lag}", {name: (values[lag],) for name, values in shares.items()}) for lag in LAGS]


def _plain(curves: dict[str, torch.Tensor]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(values.tolist()) for name, values in curves.items()}


def positions_json(positions: Sequence[Position]) -> list[dict[str, Any]]:
    """Plain JSON values."""
    return [{"name": position.name, **position.curves} for position in positions]
