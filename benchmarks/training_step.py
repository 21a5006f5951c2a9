"""Time of a training step: `seqloom train` against a bare PyTorch loop, both with torch's kernel.

Both train the same model in turn in one process, 8 steps each, on Python's help texts; the ratio is taken
pair by pair. The bare loop has what any loop needs: embedding, nn.LSTM or nn.GRU, output layer,
cross-entropy, the state carried, clipping by norm, AdamW. Ours also keeps time, records, and checks that all
is finite, and that is what is measured here. end_to_end.py has the kernels that ours takes by itself.

    python benchmarks/training_step.py
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from loops import STEPS, measure
from measuring import spread
from results import verdict, write_section

from seqloom.data.text.python_help import python_help

PAIRS, FLOOR = 41, 1.05
CASES = [("lstm", "float32"), ("lstm", "bfloat16"), ("gru", "float32")]


def main() -> None:
    """Measure every case and write the table."""
    lines = [
        "| model | ours, ms a step | bare loop | ratio, median [min, max] | at most | |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "help.txt"
        path.write_text(python_help(), encoding="utf-8")
        for cell_type, precision in CASES:
            model = {"cell_type": cell_type, "kernel": "torch"}
            pairs = measure(path, PAIRS, {"precision": precision}, model)
            ratios = [1 / ratio for ratio in pairs.ratios]
            ours, theirs = (f"{seconds * 1e3:.1f}" for seconds in pairs.seconds)
            met = verdict(statistics.median(ratios), FLOOR, at_most=True)
            name = f"2 x {cell_type} 256, {precision}"
            lines.append(f"| {name} | {ours} | {theirs} | {spread(ratios, 3)} | {FLOOR} | {met} |")
    lines += ["", f"Batch 16, window 64, {PAIRS} pairs of {STEPS} steps in turn."]
    write_section("Training step against a bare PyTorch loop", Path(__file__), lines)


if __name__ == "__main__":
    main()
