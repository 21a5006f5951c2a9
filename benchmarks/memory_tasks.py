"""The memory tasks: which cell learns them, by initialization, over three seeds."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from results import NUMBERS, save, write_section

from seqloom.inspection.memory import PROBLEMS, MemoryResult, MemorySettings, train_memory

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
    Case("first-symbol", 100, RATE._replace(learning_rate=5e-3), CELLS),
    Case("temporal-order", 50, MemorySettings(max_steps=400), CELLS),
    Case("copying", 20, MemorySettings(hidden_size=64, learning_rate=1e-2, max_steps=600), CELLS),
    Case("parity", 4, MemorySettings(learning_rate=1e-2, max_steps=400), CELLS),
)


def measure(case: Case) -> list[dict[str, Any]]:
    """A row for each cell and initialization."""
    rows = []
    for cell, initialization in case.variants:
        settings = case.settings._replace(initialization=initialization)  # type: ignore[arg-type]
        runs = [
            train_memory(case.problem, cell, case.lag, seed=seed, settings=settings) for seed in range(SEEDS)
        ]
        rows.append(describe(case, initialization, runs))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def describe(case: Case, initialization: str, runs: list[MemoryResult]) -> dict[str, Any]:
    """What came of the seeds, as JSON values."""
    return {
        "task": case.problem,
        "lag": case.lag,
        "cell": runs[0].cell_type,
        "initialization": initialization,
        "chance": runs[0].chance,
        "scores": [run.score for run in runs],
        "solved": sum(run.solved for run in runs),
        "steps": [run.steps for run in runs],
        "processor_seconds": [round(run.seconds, 1) for run in runs],
        "settings": case.settings._asdict(),
    }


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    problem = PROBLEMS[row["task"]]
    metric = "MSE" if problem.metric == "mean_squared_error" else "accuracy"
    scores = ", ".join(f"{score:.3f}" for score in row["scores"])
    begins = "for the lag" if row["initialization"] == LONG else "torch.nn's"
    if row["cell"] == "rnn":
        begins = "orthogonal" if row["initialization"] == LONG else "torch.nn's"
    steps, seconds = statistics.median(row["steps"]), statistics.median(row["processor_seconds"])
    rate = row["settings"]["learning_rate"]
    return (
        f"| {problem.title.lower()}, {row['lag']} | {rate:g} | {row['cell'].upper()} | {begins} | {metric} "
        f"{row['chance']:.3f} "
        f"| {scores} | {row['solved']} of {len(row['scores'])} | {steps:,.0f} | {seconds:.0f} |"
    )


def main(names: list[str]) -> None:
    """Measure the tasks of these names, or all, and write them with those that were measured before."""
    torch.set_num_threads(1)
    file = NUMBERS / f"{Path(__file__).stem}.json"
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    for case in CASES:
        if not names or case.problem in names:
            new = measure(case)
            rows = [row for row in rows if not is_of(row, case)] + new
    rows.sort(key=lambda row: next(place for place, case in enumerate(CASES) if is_of(row, case)))
    save(Path(__file__), {"rows": rows})
    write_section(
        "Memory tasks",
        Path(__file__),
        [
            "Fresh examples at every step, Adam, 32 units (copying: 64), until solved or given up after 400",
            "or 600 steps, and processor seconds; scores on 1,024 other examples. Solved: accuracy .95,",
            "squared error .01.",
            "",
            "| task, lag | rate | cell | initialization | chance | score, 3 seeds | solved | steps | s |",
            "|---|---|---|---|---|---|---|---|---|",
            *map(line, rows),
        ],
    )


def is_of(row: dict[str, Any], case: Case) -> bool:
    """Whether a row is of a case."""
    return (row["task"], row["lag"], row["settings"]) == (case.problem, case.lag, case.settings._asdict())


if __name__ == "__main__":
    main(sys.argv[1:])
