"""Time to the first word: `seqloom --help` against an empty Python program.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from results import write_section

RUNS = 21


def seconds(command: list[str]) -> float:
    """Of one run."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Run both in turn and write the table."""
    program = Path(sys.executable).with_name("seqloom")
    pairs = [
        (seconds([str(program), "--help"]), seconds([sys.executable, "-c", "pass"])) for _ in range(RUNS)
    ]
    more = [ours - empty for ours, empty in pairs]
    ours, empty = (statistics.median(column) for column in zip(*pairs, strict=True))
    spread = f"{statistics.median(more):.3f} s [{min(more):.3f}, {max(more):.3f}]"
    lines = [
        "| `seqloom --help` | `python -c pass` | more, median [min, max] |",
        "|---|---|---|",
        f"| {ours:.3f} s | {empty:.3f} s | {spread} |",
        "",
        f"{RUNS} pairs in turn. Floor: at most 0.25 s more.",
    ]
    write_section("Start-up", Path(__file__), lines)


if __name__ == "__main__":
    main()
