"""Every shape of a grid against torch.nn: none may be slower by more than 5 %, as `choose` takes the faster.

    python benchmarks/sweep.py                                   # kernel="auto", a summary in RESULTS.md
    python benchmarks/sweep.py --kernel native --csv native.csv  # every ratio of our own kernel, for `choose`

Shapes of more work than `--most-flops` are left out, so that it all takes a quarter of an hour at most. What
comes out slow is measured again, longer, with layers made anew some times over, and that is what counts:
among thousands of shapes some meet a disturbance, and where in memory a layer happens to lie decides by more
than 5 % too, of two layers of torch.nn as well.
"""

from __future__ import annotations

import argparse
import csv
import random
import statistics
import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from cases import GATES, Case, Shape, flops
from measuring import Pairs, in_turn
from results import save, verdict, write_section

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
STEPS = (1, 2, 5, 10, 30, 100, 300, 1000)
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024)
MOST_FLOPS = 3e9
SLOW = 1 / 1.05
AGAIN = 5
COLUMNS = (
    *("cell", "mode", "batch", "steps", "hidden", "kernel"),
    *("ours_seconds", "torch_seconds", "ratio", "low", "high", "pairs"),
)


class Measured(NamedTuple):
    """One shape."""

    cell: str
    mode: str
    shape: Shape
    kernel: str
    pairs: Pairs

    def row(self) -> list[object]:
        """Of the CSV."""
        ratios = self.pairs.ratios
        numbers = [*self.pairs.seconds, self.pairs.ratio, min(ratios), max(ratios)]
        shown = [f"{number:.4g}" for number in numbers]
        return [self.cell, self.mode, *self.shape[:3], self.kernel, *shown, len(ratios)]


def measure(cell: str, mode: str, shape: Shape, kernel: str, seconds: float) -> Measured:
    """One shape, for about so many seconds, and longer where torch.nn comes out faster."""
    case = Case(cell, shape, kernel)
    pairs = pairs_of(case, mode, seconds)
    if pairs.ratio < SLOW:
        again = [pairs_of(Case(cell, shape, kernel), mode, 5 * seconds) for _ in range(AGAIN)]
        pairs = Pairs([s for p in again for s in p.ours], [s for p in again for s in p.theirs])
    return Measured(cell, mode, shape, case.chosen(mode) if kernel == "auto" else kernel, pairs)


def pairs_of(case: Case, mode: str, seconds: float) -> Pairs:
    """Of both layers of a case."""
    with torch.set_grad_enabled(mode.endswith("training")):
        return in_turn(case.ours_once(mode), case.theirs_once(mode), budget_seconds=seconds)


def summary(rows: list[Measured]) -> list[str]:
    """A line for each cell and mode."""
    lines = [
        "| layer | shapes | slower by more than 5 % | floor | | slowest | median | `auto` takes native |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell, mode in dict.fromkeys((row.cell, row.mode) for row in rows):
        those = [row for row in rows if (row.cell, row.mode) == (cell, mode)]
        slow = sum(row.pairs.ratio < SLOW for row in those)
        worst = min(those, key=lambda row: row.pairs.ratio)
        middle = statistics.median(row.pairs.ratio for row in those)
        native = sum(row.kernel == "native" for row in those)
        slowest = f"{worst.pairs.ratio:.2f} at {worst.shape}"
        cells = (f"{cell} {mode}", len(those), slow, 0, verdict(slow, 0, at_most=True), slowest)
        lines.append(f"| {' | '.join(map(str, cells))} | {middle:.2f} | {native} |")
    slow_ones = sorted((row for row in rows if row.pairs.ratio < SLOW), key=lambda row: row.pairs.ratio)
    named = [f"{r.cell} {r.mode} {r.shape} ({r.kernel}) {r.pairs.ratio:.2f}" for r in slow_ones[:20]]
    return [*lines, *(["", f"The slowest: {'; '.join(named)}."] if named else [])]


def work(cell: str, mode: str, shape: Shape) -> float:
    """Operations of a run; a training step has three times those of a run forward."""
    return flops(cell, shape.steps * shape.batch, shape.hidden) * (3 if mode.endswith("training") else 1)


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kernel", default="auto", choices=("auto", "native"))
    parser.add_argument("--csv", type=Path, help="where to write every ratio")
    parser.add_argument("--bf16", action="store_true", help="both sides under autocast")
    parser.add_argument("--cells", nargs="+", default=list(GATES), choices=list(GATES))
    parser.add_argument("--seconds", type=float, default=0.02, help="for each shape, at least 7 pairs")
    parser.add_argument("--sample", type=int, help="measure so many of the shapes, drawn at random")
    parser.add_argument("--most-flops", type=float, default=MOST_FLOPS, help="of a step; more is left out")
    return parser.parse_args()


def main() -> None:
    """Measure the grid; write the summary where it was asked for as a whole, and the ratios where told."""
    asked = arguments()
    modes = [f"bf16 {mode}" if asked.bf16 else mode for mode in ("training", "inference")]
    shapes = [Shape(*sizes) for sizes in product(BATCHES, STEPS, WIDTHS)]
    grid = [(cell, mode, shape) for cell in asked.cells for mode in modes for shape in shapes]
    chosen = [case for case in grid if work(*case) <= asked.most_flops]
    possible = len(chosen)
    if asked.sample is not None and asked.sample < possible:
        chosen = [chosen[k] for k in sorted(random.Random(0).sample(range(possible), asked.sample))]
    rows: list[Measured] = []
    for place, (cell, mode, shape) in enumerate(chosen):
        rows.append(measure(cell, mode, shape, asked.kernel, asked.seconds))
        if sys.stderr.isatty() or place % 100 == 0:
            print(f"\r{place + 1} of {len(chosen)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    if asked.csv:
        with asked.csv.open("w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *(row.row() for row in rows)])
    left_out = (
        f"{len(chosen)} of {possible} are measured; "
        f"{len(grid) - possible} of more than {asked.most_flops:.2g} operations are left out."
    )
    note = (
        "B in 1 to 128, T in 1 to 1000, H in 8 to 1024, each in its powers; times as fast as torch.nn. "
        f"{left_out} What came out slow was measured again, {AGAIN} times with layers made anew."
    )
    lines = [*summary(rows), "", note]
    if asked.kernel == "auto" and len(asked.cells) == len(GATES):
        title = "A sweep of shapes against torch.nn" + ", both in bfloat16" * asked.bf16
        write_section(title, Path(__file__), lines)
        if not asked.bf16:
            save(Path(__file__), {"columns": COLUMNS, "rows": [row.row() for row in rows]})
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
