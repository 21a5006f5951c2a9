"""The memory tasks: which cell learns them, by initialization, over three seeds."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from results import NUMBERS, save, write_section

from seqloom.inspection.memory import PROBLEMS, MemorySettings, train_memory

SEEDS = 3
TORCH, LONG = "torch", "long-memory"


class Case(NamedTuple):
    """A task at a lag, and how it is learnt."""

    problem: str
    lag: int
    settings: MemorySettings
    variants: tuple[tuple[str, str], ...]


CELLS = (("lstm", LONG), ("gru", LONG), ("rnn", TORCH))
RATE = MemorySettings(learning_rate=2e-3, max_steps=600)
CASES = (
    Case("adding", 200, MemorySettings(learning_rate=1e-2, batch_size=64, max_steps=600), CELLS),
    Case("first-symbol", 100, RATE, (*CELLS, ("lstm", TORCH), ("gru", TORCH), ("rnn", LONG))),
    Case("first-symbol", 100, RATE._replace(learning_rate=5e-3), (("rnn", TORCH),)),
    Case("temporal-order", 50, MemorySettings(max_steps=400), CELLS),
    Case("copying", 20, MemorySettings(hidden_size=64, learning_rate=1e-2, max_steps=600), CELLS),
    Case("parity", 4, MemorySettings(learning_rate=1e-2, max_steps=400), CELLS),
)


def missing(runs: list[dict[str, Any]], names: list[str]) -> Iterator[tuple[Case, str, str, int]]:
    """The runs of tasks of these names, or all, that were not measured yet."""
    for case in CASES:
        for seed in range(SEEDS):
            for cell, initialization in case.variants:
                run = {**place(case, cell, initialization), "seed": seed}
                if (not names or case.problem in names) and not any(
                    run.items() <= done.items() for done in runs
                ):
                    yield case, cell, initialization, seed


def place(case: Case, cell: str, initialization: str) -> dict[str, Any]:
    """What tells a row of the table from others."""
    settings = case.settings._replace(initialization=initialization)  # type: ignore[arg-type]
    return {"task": case.problem, "lag": case.lag, "cell": cell, "settings": list(settings)}


def measure(case: Case, cell: str, initialization: str, seed: int) -> dict[str, Any]:
    """A run, as JSON values."""
    settings = case.settings._replace(initialization=initialization)  # type: ignore[arg-type]
    run = train_memory(case.problem, cell, case.lag, seed=seed, settings=settings)
    numbers = {"score": run.score, "solved": run.solved, "steps": run.steps, "seconds": round(run.seconds, 1)}
    return {**place(case, cell, initialization), "seed": seed, **numbers}


def line(case: Case, cell: str, initialization: str, runs: list[dict[str, Any]]) -> str:
    """A row of the table."""
    problem = PROBLEMS[case.problem]
    metric = "MSE" if problem.metric == "mean_squared_error" else "accuracy"
    ours = "orthogonal" if cell == "rnn" else "for the lag"
    scores = ", ".join(f"{run['score']:.3f}" for run in sorted(runs, key=lambda run: run["seed"]))
    steps, seconds = (statistics.median(run[name] for run in runs) for name in ("steps", "seconds"))
    return (
        f"| {problem.title.lower()}, {case.lag} | {case.settings.learning_rate:g} | {cell.upper()} "
        f"| {ours if initialization == LONG else 'torch.nn'} | {metric} {problem.chance:.3f} | {scores} "
        f"| {sum(run['solved'] for run in runs)} of {len(runs)} | {steps:,.0f} | {seconds:.0f} |"
    )


def write(runs: list[dict[str, Any]]) -> None:
    """The table of all runs."""
    rows = []
    for case in CASES:
        for cell, initialization in case.variants:
            wanted = place(case, cell, initialization)
            own = [run for run in runs if wanted.items() <= run.items()]
            rows += [line(case, cell, initialization, own)] if own else []
    write_section(
        "Memory tasks",
        Path(__file__),
        [
            "Fresh examples at every step, Adam, 32 units (copying: 64), until solved or given up after 400",
            "or 600 steps, and processor seconds; scores on 1,024 other examples. Solved: accuracy .95,",
            "squared error .01.",
            "",
            "| task, lag | rate | cell | gates | chance | score by seed | solved | steps | s |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
        ],
    )


def main() -> None:
    """Measure what is not in results/ yet, of the tasks that are named or of all, and write the table."""
    measure_missing(sys.argv[1:])


def measure_missing(names: list[str], most: int | None = None) -> None:
    """Measure and write.

    Args:
        names: tasks; none: all.
        most: runs, of which each takes some seconds.
    """
    torch.set_num_threads(1)
    file = NUMBERS / f"{Path(__file__).stem}.json"
    runs = json.loads(file.read_text())["runs"] if file.exists() else []
    for run in islice(missing(runs, names), most):
        runs.append(measure(*run))
        print(runs[-1], file=sys.stderr, flush=True)
        save(Path(__file__), {"runs": runs})
    write(runs)


if __name__ == "__main__":
    main()
