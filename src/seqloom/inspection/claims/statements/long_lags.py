"""Claims 15, 16 and 26: what an LSTM and a GRU remember that a plain RNN does not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqloom.inspection.claims.bench import Bench
from seqloom.inspection.claims.claim import Check, Finding, Picture, least, most
from seqloom.inspection.claims.jacobians import state_gradient_by_lag
from seqloom.inspection.memory import MemoryResult, MemorySettings
from seqloom.layers.recurrent import LSTM

LAG, SEEDS = 100, 3
LEARNT, CHANCE = 0.9, 0.35
GATED = MemorySettings(learning_rate=2e-3, max_steps=600)
PLAIN = MemorySettings(learning_rate=2e-3, max_steps=400, initialization="torch")
SHORT_LAG = 8
"""That a plain RNN learns"""
STEPS = 200


def plain_rnns(bench: Bench) -> list[MemoryResult]:
    """Plain RNNs on the long lag, one a seed."""
    return [bench.memory("first-symbol", "rnn", LAG, seed, PLAIN) for seed in range(SEEDS)]


def lstm_learns(bench: Bench) -> Finding:
    """15: the same long lag, and what is left of explosions."""
    torch.manual_seed(0)
    layer = LSTM(8, 32, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_hh_l0 *= 8  # type: ignore[operator]
    gradient = state_gradient_by_lag(layer, torch.randn(STEPS, 1, 8, dtype=torch.float64))
    growth = float(gradient.max() / gradient[0])
    return _learns(
        bench,
        "lstm",
        Check(
            f"growth of an LSTM's gradient over {STEPS} steps, its recurrent weight times 8",
            growth,
            "times",
            at_most=1.0,
            wider=True,
        ),
        "it needs a forget gate that begins near 1; and large weights still explode: the LSTM "
        "softens that, and "
        "does not prevent it",
    )


def gru_learns(bench: Bench) -> Finding:
    """26: as 15."""
    return _learns(bench, "gru", None, "it needs an update gate that begins near 1")


def _learns(bench: Bench, cell: str, more: Check | None, note: str) -> Finding:
    runs = [bench.memory("first-symbol", cell, LAG, seed, GATED) for seed in range(SEEDS)]
    plain = plain_rnns(bench)
    default = bench.memory("first-symbol", cell, LAG, 0, PLAIN)
    name = cell.upper()
    checks = [
        least(f"{name}: recall after {LAG} steps", [run.score for run in runs], LEARNT, "accuracy"),
        most("plain RNN: the same, by chance .25", [run.score for run in plain], CHANCE, "accuracy"),
        Check(
            f"{name} with torch.nn's initialization", default.score, "accuracy", at_least=LEARNT, wider=True
        ),
    ]
    return Finding(
        f"recall of the first symbol {LAG} steps later, 32 units: {name}s whose gates begin with such "
        "a memory "
        f"(at most {GATED.max_steps} steps of training), plain RNNs ({PLAIN.max_steps} steps), 3 "
        "seeds each; one "
        f"{name} with torch.nn's initialization",
        (*checks, *([more] if more else [])),
        Picture(
            "bars",
            (),
            {
                name: (min(run.score for run in runs),),
                f"{name}, torch's gates": (default.score,),
                "RNN": (max(run.score for run in plain),),
                "chance": (0.25,),
            },
            y_label="accuracy",
        ),
        note,
    )


def cell_holds(bench: Bench) -> Finding:
    """16: how long one bit stays in the state."""
    lags = {"LSTM": [], "RNN": []}
    curves: dict[str, Tensor] = {}
    for seed in range(SEEDS):
        lstm = bench.memory("first-symbol", "lstm", LAG, seed, GATED).model
        short = MemorySettings(max_steps=400, initialization="torch")
        rnn = bench.memory("first-symbol", "rnn", SHORT_LAG, seed, short).model
        for name, model in (("LSTM", lstm), ("RNN", rnn)):
            curves[name] = distance_by_lag(model, STEPS)
            lags[name].append(half_life(curves[name]))
    return Finding(
        "two sequences that differ in their first symbol alone, through LSTMs trained to recall it "
        f"after {LAG} "
        f"steps, and plain RNNs after {SHORT_LAG}, which they learn: how long their states (c, h) stay apart",
        (
            least("the LSTM's cell keeps half of the difference for", lags["LSTM"], 50, "steps"),
            most("the plain RNN's state", lags["RNN"], 50, "steps"),
        ),
        Picture(
            "lines",
            tuple(map(float, range(STEPS))),
            {name: tuple(curve.tolist()) for name, curve in curves.items()},
            "steps after the symbol",
            "distance of the states",
        ),
    )


@torch.no_grad()
def distance_by_lag(model: Any, steps: int) -> Tensor:
    """How far states of sequences are apart that differ in their first symbol, at each step, over the first.

    Args:
        model: a `MemoryModel` of the task first-symbol.
        steps: T.

    Returns:
        (T,), which begins with 1.
    """
    generator = torch.Generator("cpu").manual_seed(7)
    rest = 4 + torch.randint(4, (steps, 16), generator=generator)
    sequences = []
    for symbol in (0, 1):
        symbols = rest.clone()
        symbols[0] = symbol
        sequences.append(torch.nn.functional.one_hot(symbols, 8).float())
    states = [_states(model.layer, x) for x in sequences]
    distance = (states[0] - states[1]).norm(dim=-1).mean(1)
    return distance / distance[0]


def _states(layer: Any, x: Tensor) -> Tensor:
    """c of an LSTM, else h, (T, B, H)."""
    output, _, (gates,) = layer.trace(x)
    return getattr(gates, "c", output)


def half_life(curve: Tensor) -> float:
    """Steps until a curve that begins with 1 is below a half; its length if it never is.

    >>> half_life(torch.tensor([1.0, 0.8, 0.4, 0.6]))
    2.0
    """
    below = (curve < 0.5).nonzero()
    return float(below[0]) if len(below) else float(len(curve))
