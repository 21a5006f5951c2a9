"""Time to start: `seqloom --help` and `seqloom predict`, beside an empty Python program and `import torch`.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import write_section

import seqloom

ROUNDS = 21


def seconds(command: list[str]) -> float:
    """Duration of one run of a program."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def in_turn(commands: dict[str, list[str]]) -> dict[str, list[float]]:
    """Durations in seconds of several programs, which run in turn, `ROUNDS` times each."""
    durations: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            durations[name].append(seconds(command))
    return durations


def trained_classifier(folder: Path) -> Path:
    """The run folder of a text classifier that has seen five batches: how good it is takes no time."""
    seqloom.toy_data("classify", folder / "reviews")
    seqloom.train(folder / "reviews", settings={"training.max_steps": 5}, out=folder / "run")
    return folder / "run"


def main() -> None:
    """Run all programs in turn and write the table."""
    program = str(Path(sys.executable).with_name("seqloom"))
    with tempfile.TemporaryDirectory() as folder:
        run = trained_classifier(Path(folder))
        commands = {
            "`python -c pass`": [sys.executable, "-c", "pass"],
            "`seqloom --help`": [program, "--help"],
            "`python -c 'import torch'`": [sys.executable, "-c", "import torch"],
            "`seqloom predict RUN TEXT`": [program, "predict", str(run), "a fine film"],
        }
        durations = in_turn(commands)
    lines = ["| program | median [min, max] |", "|---|---|"]
    for name, values in durations.items():
        spread = f"{statistics.median(values):.3f} s [{min(values):.3f}, {max(values):.3f}]"
        lines.append(f"| {name} | {spread} |")
    empty, help_page = durations["`python -c pass`"], durations["`seqloom --help`"]
    more = [ours - theirs for ours, theirs in zip(help_page, empty, strict=True)]
    lines += [
        "",
        f"{ROUNDS} rounds in turn. `--help` takes {statistics.median(more):.3f} s more than an empty",
        "program; the limit is 0.15 s. `predict` imports torch without collecting garbage, and so may be",
        "quicker than `import torch` alone.",
    ]
    write_section("Start-up", Path(__file__), lines)


if __name__ == "__main__":
    main()
