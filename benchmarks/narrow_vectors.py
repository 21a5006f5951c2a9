"""LSTMs at two shapes whose sizes are no multiples of a vector, against torch.nn, on one thread and on two.

For a processor with AVX2 and no more, where torch's own LSTM comes nearest to ours.

    python benchmarks/narrow_vectors.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from cases import Case, Shape
from measuring import spread
from results import save, verdict, write_section

FLOORS = {(Shape(20, 35, 200), "training"): 1.1, (Shape(64, 50, 650), "inference"): 1.0}
"""What every ratio to torch.nn must reach"""

REPEATS = 3


def main() -> None:
    """Measure each case on one thread and on two, and write the table."""
    lines = [
        "| layer | mode | threads | ours, ms | torch.nn, ms | times as fast | floor | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows = []
    for (shape, mode), floor in FLOORS.items():
        for threads in (1, 2):
            torch.set_num_threads(threads)
            case = Case("LSTM", shape)
            runs = [case.time(mode) for _ in range(REPEATS)]
            middle = sorted(runs, key=lambda pairs: pairs.ratio)[REPEATS // 2]
            ours, theirs = middle.seconds
            rows.append({"shape": str(shape), "mode": mode, "threads": threads, "ratio": middle.ratio})
            times = f"{ours * 1e3:.3g} | {theirs * 1e3:.3g} | {spread(middle.ratios)}"
            lines.append(
                f"| LSTM {shape} | {mode} | {threads} | {times} | {floor} | {verdict(middle.ratio, floor)} |"
            )
            print(lines[-1], flush=True)
    lines += ["", f"The run of the median ratio of {REPEATS}, as many features as hidden units."]
    write_section("LSTMs of odd sizes against torch.nn", Path(__file__), lines)
    save(Path(__file__), {"rows": rows})


if __name__ == "__main__":
    main()
