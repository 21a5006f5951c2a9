"""A table of a million rows, from the file to the first step, and the memory that a training on it holds.

Made-up rows of 25 words and a label, about 160 bytes a row, as one csv file; `seqloom train` in a process
of its own, with an empty cache, for 200 steps. The time counts from the start of the process to the first
step; the memory is the highest that any one of its processes held, pages of files included.

    python benchmarks/large_table.py [rows]     a million unless told
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy
from results import save, verdict, write_section
from watching import watch_training

LIMITS = {1_000_000: (60.0, 1.0), 10_000_000: (600.0, 1.0)}
STEPS = 200


def write_table(path: Path, rows: int) -> None:
    """Rows `text,label` of 25 words each, out of 50,000; the label says whether a certain one came."""
    generator = numpy.random.default_rng(0)
    letters = numpy.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(generator.choice(letters, generator.integers(2, 9))) for _ in range(50_000)]
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for start in range(0, rows, 10_000):
            count = min(10_000, rows - start)
            ranks = numpy.minimum(generator.zipf(1.3, (count, 25)) - 1, len(words) - 1)
            file.writelines(
                f"{' '.join([words[rank] for rank in row])},{'yes' if 7 in row else 'no'}\n"
                for row in ranks.tolist()
            )


def measure(rows: int, folder: Path) -> dict[str, Any]:
    """Write the table, train on it, and watch."""
    table = folder / "table.csv"
    write_table(table, rows)
    seen = watch_training(table, {}, STEPS, folder, "classify", with_report=True)
    print((folder / "said.txt").read_text()[-3000:])
    return {
        "rows": rows,
        "table_bytes": table.stat().st_size,
        "seconds_to_first_step": seen.seconds_to_first_step,
        "seconds_to_last_step": seen.seconds_to_last_step,
        "seconds_with_report": seen.seconds,
        "gb_at_last_step": seen.kib_at_last_step * 1024 / 1e9,
        "gb_with_report": seen.kib * 1024 / 1e9,
    }


def main() -> None:
    """Measure, and write the section."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        row = measure(rows, Path(folder))
    seconds, gigabytes = LIMITS.get(rows, (None, None))
    first, memory = row["seconds_to_first_step"], row["gb_at_last_step"]
    with_report = f"{row['seconds_with_report']:.0f} s, {row['gb_with_report']:.2f} GB"
    lines = [
        "| rows, MB | first step after, s | at most | | training, GB | at most | | with the report |",
        "|---|---|---|---|---|---|---|---|",
        f"| {rows:,}, {row['table_bytes'] / 1e6:,.0f} | {first:.1f} | {seconds} "
        f"| {verdict(first, seconds, at_most=True)} | {memory:.2f} | {gigabytes} "
        f"| {verdict(memory, gigabytes, at_most=True)} | {with_report} |",
    ]
    write_section(f"A table of {rows:,} rows", Path(__file__), lines, arguments=f" {rows}")
    save(Path(__file__).with_stem(f"large_table-{rows}"), row)


if __name__ == "__main__":
    main()
