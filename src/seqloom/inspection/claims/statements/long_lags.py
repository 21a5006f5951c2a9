"""Claims 15, 16 and 26: what an LSTM and a GRU remember that a plain RNN does not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqloom.inspection.claims.bench import Bench
from seqloom.inspection.claims.claim import Check, Finding, Picture, least, most
from seqloom.inspection.claims.jacobians import state_gradient_by_lag
from seqloom.inspection.memory import PROBLEMS, MemoryModel, MemoryResult, MemorySettings, score_memory
from seqloom.inspection.memory.initialization import initialize
from seqloom.layers.recurrent import LSTM

LAG, SEEDS = 100, 3
LEARNT, CHANCE = 0.9, 0.35
GATED = MemorySettings(learning_rate=2e-3, max_steps=600)
PLAIN = GATED._replace(initialization="torch")
FASTER = PLAIN._replace(learning_rate=5e-3)
SHORT_LAG = 8
"""That a plain RNN learns"""
SHORT = MemorySettings(max_steps=400, initialization="torch")
STEPS, UNITS, TEST_ROWS = 200, 32, 512


def plain_rnns(bench: Bench, settings: MemorySettings = PLAIN) -> list[MemoryResult]:
    """Plain RNNs on the long lag, one a seed, with as many steps as the others have."""
    return [bench.memory("first-symbol", "rnn", LAG, seed, settings) for seed in range(SEEDS)]


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
        f"and plain RNNs, 3 seeds each; one {name} with torch.nn's initialization; at most "
        f"{GATED.max_steps} steps of training at a rate of {GATED.learning_rate:g}",
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
    """16: what is left of one symbol in the state before training; and what a trained plain RNN holds."""
    problem = PROBLEMS["first-symbol"]
    left: dict[str, list[float]] = {"LSTM": [], "RNN": []}
    recall, curves = [], {}
    for seed in range(SEEDS):
        for name, curve in untrained_curves(seed).items():
            curves[name] = curve
            left[name].append(float(curve[LAG]))
        model = bench.memory("first-symbol", "rnn", SHORT_LAG, seed, SHORT).model
        recall.append(score_memory(model, problem, problem.examples(TEST_ROWS, STEPS, seed)))
    return Finding(
        "two sequences that differ in their first symbol alone, through an untrained LSTM with gates for a "
        f"lag of {LAG} and an untrained plain RNN, 3 seeds: how far apart the cell or the state is {LAG} "
        f"steps later; plain RNNs trained to recall the symbol after {SHORT_LAG} steps, asked after {STEPS}",
        (
            least(f"left in the LSTM's cell after {LAG} steps", left["LSTM"], 1e-3),
            most("left in the plain RNN's state", left["RNN"], 1e-6),
            most(
                f"recall after {STEPS} steps of RNNs that learnt {SHORT_LAG}, by chance .25",
                recall,
                CHANCE,
                "accuracy",
                wider=True,
            ),
        ),
        Picture(
            "lines",
            tuple(map(float, range(STEPS))),
            {name: tuple(curve.tolist()) for name, curve in curves.items()},
            "steps after the symbol",
            "distance of the states",
            log=True,
        ),
        "a plain RNN can hold a symbol, as a state that feeds itself, once it has learnt to over a short "
        "lag; over a long one no gradient teaches it",
    )


def untrained_curves(seed: int) -> dict[str, Tensor]:
    """`distance_by_lag` of an LSTM with gates for the lag, and of a plain RNN as torch.nn has it."""
    curves = {}
    for name in ("LSTM", "RNN"):
        torch.manual_seed(seed)
        model = MemoryModel(PROBLEMS["first-symbol"], name.lower(), UNITS)
        if name == "LSTM":
            initialize(model.layer, LAG)
        curves[name] = distance_by_lag(model.double(), STEPS)
    return curves


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
        sequences.append(torch.nn.functional.one_hot(symbols, 8))
    dtype = model.output.weight.dtype
    states = [_states(model.layer, x.to(dtype)) for x in sequences]
    distance = (states[0] - states[1]).norm(dim=-1).mean(1)
    return distance / distance[0]


def _states(layer: Any, x: Tensor) -> Tensor:
    """c of an LSTM, else h, (T, B, H)."""
    output, _, (gates,) = layer.trace(x)
    return getattr(gates, "c", output)
