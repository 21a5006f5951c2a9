"""Characters a second of a language model trained by `seqloom train`, against a bare torch loop of the same.

As training_step.py, but with the kernels that ours takes by itself: what a user gains, with everything else
that a training step has. Training in bfloat16 is measured against a float32 loop too: all defaults of
`seqloom train` against what one writes first.

    python benchmarks/end_to_end.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from loops import STEPS, measure
from measuring import spread
from results import save, verdict, write_section

from seqloom.data.text.python_help import python_help

PAIRS, WINDOW = 21, 64


class Case(NamedTuple):
    """A model, how it is trained, and the floor of ours over the bare loop."""

    cell_type: str
    hidden: int
    batch: int
    precision: str = "float32"
    bare_precision: str = "float32"
    floor: float | None = None


CASES = [
    Case("lstm", 256, 16, floor=1.15),
    Case("gru", 256, 16, floor=1.5),
    Case("lstm", 256, 16, "bfloat16", "bfloat16"),
    Case("lstm", 256, 16, "bfloat16"),
    Case("gru", 256, 16, "bfloat16"),
]


def run(case: Case, pairs: int) -> dict[str, Any]:
    """Train both, and give characters a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "help.txt"
        path.write_text(python_help(), encoding="utf-8")
        training = {"precision": case.precision, "batch_size": case.batch, "window": WINDOW}
        model = {"cell_type": case.cell_type, "hidden_size": case.hidden}
        measured = measure(path, pairs, training, model, case.bare_precision)
    ours, theirs = (case.batch * WINDOW / seconds for seconds in measured.seconds)
    return {
        **case._asdict(),
        "ours": ours,
        "theirs": theirs,
        "ratios": measured.ratios,
        "ratio": measured.ratio,
    }


def main() -> None:
    """Measure every case and write the table."""
    lines = [
        "| model | ours, characters a second | bare loop | times as fast | floor | |",
        "|---|---|---|---|---|---|",
    ]
    rows = []
    for case in CASES:
        row = run(case, PAIRS)
        rows.append(row)
        against = "" if case.precision == case.bare_precision else f" against {case.bare_precision}"
        name = f"2 x {case.cell_type} {case.hidden}, batch {case.batch}, {case.precision}{against}"
        rates = f"{row['ours']:,.0f} | {row['theirs']:,.0f} | {spread(row['ratios'])}"
        lines.append(f"| {name} | {rates} | {case.floor or ''} | {verdict(row['ratio'], case.floor)} |")
        print(lines[-1], flush=True)
    lines += ["", f'Window {WINDOW}, {PAIRS} pairs of {STEPS} steps in turn; `kernel="auto"`.']
    write_section("Training end to end against a bare PyTorch loop", Path(__file__), lines)
    save(Path(__file__), {"rows": rows})


if __name__ == "__main__":
    main()
