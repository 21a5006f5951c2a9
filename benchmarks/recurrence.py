"""Recurrent layers against torch.nn's: training and inference in float32, and training in bfloat16.

Both run in turn in one process, with the same weights and the same input. Training is forward and backward,
with the input's gradient too. bfloat16 is autocast, with float32 parameters and input, against float32 of
torch.nn.

    python benchmarks/recurrence.py
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import chart
from cases import GATES, MODES, Case, Shape
from measuring import Pairs, in_turn, spread
from peak import peak_flops
from results import save, verdict, write_section

WIDE = [Shape(64, 100, 256), Shape(64, 100, 512), Shape(32, 100, 1024)]
SINGLE, RAGGED = Shape(1, 256, 256), Shape(64, 100, 256, ragged=True)
STREAMED = [Shape(1, 1, 256), Shape(1, 1, 512), Shape(1, 1, 1024)]

# What every ratio to torch.nn must reach: training, inference, bf16 training.
FLOORS: dict[tuple[str, Shape], tuple[float | None, ...]] = {
    **{("RNN", shape): (1.5, 1.7, 2.6) for shape in WIDE},
    **{("GRU", shape): (1.5, 1.5, 2.8) for shape in WIDE},
    **{("LSTM", shape): (1.12, 1.0, 1.9) for shape in WIDE},
    ("RNN", SINGLE): (8, 3, 14),
    ("GRU", SINGLE): (8, 4, 14),
    ("LSTM", SINGLE): (1.5, 1.3, 2.4),
    ("GRU", RAGGED): (2.5, 3, None),
    ("LSTM", RAGGED): (2.5, 3, None),
}
GRU_OVER_LSTM = 0.80
SHARE_OF_PEAK = 75.0


class Measured(NamedTuple):
    """One line of the table."""

    cell: str
    shape: Shape
    mode: str
    pairs: Pairs
    floor: float | None
    share: float
    """Of the machine's peak, per cent"""
    chosen: str

    @property
    def verdict(self) -> str:
        """A floor of 1 is torch's own speed: taking torch's own kernel meets it."""
        if self.floor == 1 and self.chosen == "torch":
            return "torch's own"
        return verdict(self.pairs.ratio, self.floor)

    def cells(self) -> list[str]:
        """Of a line of the table."""
        ours, theirs = (f"{seconds * 1e3:.3g}" for seconds in self.pairs.seconds)
        name, times = f"{self.cell} {self.shape}", spread(self.pairs.ratios)
        share = "" if math.isnan(self.share) else f"{self.share:.0f} %"
        cells = (name, self.mode, ours, theirs, times, self.floor or "", self.verdict, share, self.chosen)
        return [str(cell) for cell in cells]

    def line(self) -> str:
        """Of the table."""
        return f"| {' | '.join(self.cells())} |"

    def numbers(self) -> dict[str, Any]:
        """For results/."""
        ours, theirs = self.pairs.seconds
        return {
            "cell": self.cell, "shape": str(self.shape), "mode": self.mode, "ratio": self.pairs.ratio,
            "low": min(self.pairs.ratios), "high": max(self.pairs.ratios), "floor": self.floor,
            "ours_seconds": ours, "theirs_seconds": theirs, "auto": self.chosen,
            "share_of_peak": None if math.isnan(self.share) else self.share,
        }  # fmt: skip


def measure(cell: str, shape: Shape, mode: str, floor: float | None, kernel: str = "native") -> Measured:
    """One figure, with the machine's peak measured before each pair."""
    case, half = Case(cell, shape, kernel), mode.startswith("bf16")
    peaks: list[float] = []
    pairs = case.time(mode, mode.removeprefix("bf16 "), lambda: peaks.append(peak_flops(half)))
    done = [case.flops(mode) / seconds for seconds in pairs.ours]
    share = statistics.median(100 * rate / peak for rate, peak in zip(done, peaks, strict=True))
    measured = Measured(cell, shape, mode, pairs, floor, share, case.chosen(mode))
    print(measured.line(), flush=True)
    return measured


def gru_over_lstm(shape: Shape) -> list[float]:
    """How much of an LSTM's training step a GRU's takes, pair by pair."""
    gru, lstm = (Case(cell, shape).ours_once("training") for cell in ("GRU", "LSTM"))
    return in_turn(lstm, gru).ratios


def streamed() -> list[Measured]:
    """Measure layers that run a step at a time, and write the table."""
    rows = [measure(cell, shape, "inference", None, "auto") for cell in GATES for shape in STREAMED]
    lines = [
        "| layer | ours, ms | torch.nn, ms | times as fast |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row.cells()[k] for k in (0, 2, 3, 4))} |" for row in rows),
        "",
        'float32, `kernel="auto"`: one step of one row a call, as a model runs that streams.',
    ]
    write_section("Recurrent layers a step at a time", Path(__file__), lines)
    return rows


def main() -> None:
    """Measure every case and write the tables."""
    rows = [
        measure(cell, shape, mode, floor)
        for (cell, shape), floors in FLOORS.items()
        for mode, floor in zip(MODES, floors, strict=False)
        if floor is not None
    ]
    lines = [
        "| layer | mode | ours, ms | torch.nn, ms | times as fast | floor | | share of peak | `auto` takes |",
        "|---|---|---|---|---|---|---|---|---|",
        *(row.line() for row in rows),
        "",
        'Ours is `kernel="native"`; torch.nn is float32 in every line, and a PackedSequence where there are '
        "lengths (packing and unpacking included). The share of peak counts the products with the weights, "
        "against a loop of independent FMAs (bfloat16 dot products) on as many threads before each pair.",
    ]
    write_section("Recurrent layers against torch.nn", Path(__file__), lines)

    ratios = {shape: gru_over_lstm(shape) for shape in WIDE[:2]}
    lines = ["| figure | measured | floor | |", "|---|---|---|---|"]
    for shape, values in ratios.items():
        at_most = verdict(statistics.median(values), GRU_OVER_LSTM, at_most=True)
        name = f"GRU over LSTM, a float32 training step, {shape}"
        lines.append(f"| {name} | {spread(values)} | at most {GRU_OVER_LSTM:.2f} | {at_most} |")
    for row in rows:
        if row.shape == WIDE[1] and row.mode == "training":
            name = f"share of the machine's peak, {row.cell}, float32 training, {row.shape}"
            cells = (f"{row.share:.0f} %", f"{SHARE_OF_PEAK:.0f} %", verdict(row.share, SHARE_OF_PEAK))
            lines.append(f"| {name} | {' | '.join(cells)} |")
    full, half = (f"{peak_flops(half) / 1e9:.0f} GFLOP/s" for half in (False, True))
    lines += ["", f"The machine's peak: {full} in float32, {half} in bfloat16."]
    write_section("Recurrent layers: width and peak", Path(__file__), lines)

    numbers = {
        "rows": [row.numbers() for row in rows],
        "streamed": [row.numbers() for row in streamed()],
        "gru_over_lstm": {str(shape): statistics.median(values) for shape, values in ratios.items()},
    }
    save(Path(__file__), numbers)
    chart.draw()


if __name__ == "__main__":
    main()
