"""Cells against torch.nn's, one step a call: inference, forward with gradients to come, and training.

Both run in turn in one process, with the same parameters, as convert_recurrent leaves them, and the same
input and state. Training is forward and backward, with the gradients of input and state too. Both call the
same operator of torch: what is measured is the code around it, on one thread and by that thread's processor
time, which other work on the machine does not change. What comes out below 1 is measured again, longer.

    python benchmarks/cells.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from measuring import Pairs, in_turn
from results import save, verdict, write_section
from torch import Tensor, nn

import seqloom

CELLS = {"RNNCell": nn.RNNCell, "LSTMCell": nn.LSTMCell, "GRUCell": nn.GRUCell}
MODES = ("inference", "forward", "training")
BATCHES, WIDTHS = (1, 4, 16, 64), (32, 128, 256, 512, 1024)
FLOOR, AGAIN = 1.0, 5


class OnThisThread(NamedTuple):
    """A call that is timed by the processor time of this thread."""

    call: Callable[[], object]

    def seconds(self, repeat: int) -> float:
        """Of a call, as the mean of `repeat` calls; see `measuring.once`."""
        started = time.thread_time()
        for _ in range(repeat):
            self.call()
        return (time.thread_time() - started) / repeat


class Measured(NamedTuple):
    """One cell at one shape, as many features as hidden units."""

    cell: str
    mode: str
    hidden: int
    batch: int
    pairs: Pairs

    def numbers(self) -> dict[str, Any]:
        """For results/."""
        ours, theirs = self.pairs.seconds
        ratios = self.pairs.ratios
        return {
            "cell": self.cell, "mode": self.mode, "hidden": self.hidden, "batch": self.batch,
            "ratio": self.pairs.ratio, "low": min(ratios), "high": max(ratios),
            "ours_seconds": ours, "theirs_seconds": theirs,
        }  # fmt: skip


def measure(cell: str, mode: str, hidden: int, batch: int, seconds: float = 0.3) -> Measured:
    """One figure, in about so many seconds, and longer where torch.nn comes out faster."""
    pairs = compare(cell, mode, hidden, batch, seconds)
    if pairs.ratio < FLOOR:
        again = [compare(cell, mode, hidden, batch, 2 * seconds) for _ in range(AGAIN)]
        pairs = Pairs([s for p in again for s in p.ours], [s for p in again for s in p.theirs])
    return Measured(cell, mode, hidden, batch, pairs)


def compare(cell: str, mode: str, hidden: int, batch: int, seconds: float) -> Pairs:
    """Both cells, made anew."""
    torch.manual_seed(0)
    theirs = CELLS[cell](hidden, hidden)
    ours = seqloom.convert_recurrent(theirs)
    x, h, c = (torch.randn(batch, hidden, requires_grad=mode == "training") for _ in range(3))
    state = (h, c) if cell == "LSTMCell" else h
    once = trainer if mode == "training" else caller
    with torch.inference_mode(mode == "inference"):
        mine, other = (OnThisThread(once(module, x, state)) for module in (ours, theirs))
        return in_turn(mine, other, budget_seconds=seconds)  # type: ignore[arg-type]


def caller(cell: nn.Module, x: Tensor, state: Any) -> Callable[[], object]:
    """A step."""
    return lambda: cell(x, state)


def trainer(cell: nn.Module, x: Tensor, state: Any) -> Callable[[], object]:
    """A step forward and backward."""
    tensors = [x, *(state if isinstance(state, tuple) else (state,)), *cell.parameters()]
    gradient = torch.randn(len(x), len(x[0]))

    def step() -> object:
        new = cell(x, state)
        results = new if isinstance(new, tuple) else (new,)
        return torch.autograd.grad(results, tensors, [gradient] * len(results))

    return step


def table(rows: list[Measured]) -> list[str]:
    """A line for each cell, mode and width, with a figure for each batch."""
    lines = [
        f"| cell | mode | H | {' | '.join(f'B{batch}' for batch in BATCHES)} | floor | |",
        f"|---|---|---|{'---|' * len(BATCHES)}---|---|",
    ]
    for cell, mode, hidden in dict.fromkeys((row.cell, row.mode, row.hidden) for row in rows):
        ratios = [row.pairs.ratio for row in rows if row[:3] == (cell, mode, hidden)]
        shown = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        lines.append(
            f"| {cell} | {mode} | {hidden} | {shown} | {FLOOR:.1f} | {verdict(min(ratios), FLOOR)} |"
        )
    return lines


def main() -> None:
    """Measure every case and write the table."""
    torch.set_num_threads(1)
    rows = []
    for case in product(CELLS, MODES, WIDTHS, BATCHES):
        rows.append(measure(*case))
        print(*case, f"{rows[-1].pairs.ratio:.3f}", flush=True)
    middle = statistics.median(row.pairs.ratio for row in rows)
    lines = [
        *table(rows),
        "",
        "Times as fast as torch.nn, in float32, as many features as hidden units; the median of all is "
        f"{middle:.2f}. Processor time of one thread. Both run the same operator of torch with the same "
        "parameters, so that where it takes long they are equal but for noise.",
    ]
    write_section("Cells against torch.nn", Path(__file__), lines)
    save(Path(__file__), {"rows": [row.numbers() for row in rows]})


if __name__ == "__main__":
    main()
