"""Claim 25: a GRU against an LSTM of the same width."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from seqloom.inspection.claims.bench import Bench
from seqloom.inspection.claims.claim import Check, Finding, Picture
from seqloom.layers.recurrent import make_layer

UNITS, ROWS, STEPS, INPUTS = 128, 32, 100, 64
PAIRS = 9
FASTER = 1.05


def gru_is_faster(bench: Bench) -> Finding:
    """25: training steps in turn, with seqloom's kernel, torch's, and one row at a time."""
    del bench
    cases = {"seqloom": ("auto", ROWS), "torch": ("torch", ROWS), "seqloom, one row": ("auto", 1)}
    ratios = {name: _ratios(*case) for name, case in cases.items()}
    checks = [
        Check(
            f"LSTM's time over the GRU's, {name}",
            statistics.median(values),
            "times",
            at_least=FASTER,
            spread=(min(values), max(values)),
            wider=place > 0,
        )
        for place, (name, values) in enumerate(ratios.items())
    ]
    picture = {name: (statistics.median(values),) for name, values in ratios.items()}
    return Finding(
        f"a training step of an LSTM and a GRU of {UNITS} units, {INPUTS} inputs, {STEPS} steps, "
        f"{ROWS} rows, in "
        f"turn, the median of {PAIRS} pairs: with the kernels that seqloom takes, with torch's own, "
        "and of one row",
        tuple(checks),
        Picture("bars", (), picture, y_label="LSTM's time over the GRU's"),
        "time of a step, not time until a score: `seqloom compare` measures that on your data",
    )


def _ratios(kernel: str, rows: int) -> list[float]:
    torch.manual_seed(0)
    x = torch.randn(STEPS, rows, INPUTS)
    steps: dict[str, Callable[[], None]] = {}
    for cell in ("lstm", "gru"):
        layer = make_layer(cell, INPUTS, UNITS, kernel=kernel)  # type: ignore[arg-type]

        def step(layer: torch.nn.Module = layer) -> None:
            layer.zero_grad()
            layer(x)[0].sum().backward()

        steps[cell] = step
        step()
    ratios = []
    for number in range(PAIRS):
        seconds = {}
        for cell in ("lstm", "gru") if number % 2 else ("gru", "lstm"):
            started = time.perf_counter()
            steps[cell]()
            seconds[cell] = time.perf_counter() - started
        ratios.append(seconds["lstm"] / seconds["gru"])
    return ratios
