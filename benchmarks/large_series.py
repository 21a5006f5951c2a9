"""Half a million series of 100 steps, from the file to a trained model, and the memory that it takes.

Made-up series, a long csv file `unique_id,ds,y`; `seqloom train` in a process of its own, with an empty
cache, for 200 steps. The time counts from the start of the process to the last step; the memory is the
highest that the process held until then, pages of files included. The report at the end, which forecasts
every series, is not part of it.

    python benchmarks/large_series.py [series]     half a million unless told
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy
from results import save, write_section
from watching import watch_training

LENGTH, STEPS = 100, 200


def write_series(path: Path, count: int) -> None:
    """Daily series, each with a level and a week of its own."""
    generator = numpy.random.default_rng(0)
    days = [str(numpy.datetime64("2024-01-01") + day) for day in range(LENGTH)]
    with path.open("w", encoding="utf-8") as file:
        file.write("unique_id,ds,y\n")
        for start in range(0, count, 1000):
            rows = min(1000, count - start)
            level = generator.uniform(10, 1000, (rows, 1))
            week = generator.uniform(0.5, 1.5, (rows, 7))[:, numpy.arange(LENGTH) % 7]
            y = level * week * generator.lognormal(0, 0.1, (rows, LENGTH))
            for number, values in enumerate(y.tolist(), start):
                file.writelines(f"s{number},{day},{v:.1f}\n" for day, v in zip(days, values, strict=True))


def measure(count: int, folder: Path) -> dict[str, Any]:
    """Write the series, train on them, and watch until the last step."""
    table = folder / "series.csv"
    write_series(table, count)
    seen = watch_training(table, {"data.horizon": 14}, STEPS, folder, "forecast", with_report=False)
    cached = sum(file.stat().st_size for file in (folder / "cache").rglob("*") if file.is_file())
    return {
        "series": count,
        "table_bytes": table.stat().st_size,
        "cache_bytes": cached,
        "seconds_to_first_step": seen.seconds_to_first_step,
        "seconds_to_last_step": seen.seconds_to_last_step,
        "gb": seen.kib_at_last_step * 1024 / 1e9,
    }


def main() -> None:
    """Measure, and write the section."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    with tempfile.TemporaryDirectory() as folder:
        row = measure(count, Path(folder))
    lines = [
        f"| series of {LENGTH} steps | csv, MB | cache, MB | step 1 after, s | step {STEPS} after, s | GB |",
        "|---|---|---|---|---|---|",
        f"| {count:,} | {row['table_bytes'] / 1e6:,.0f} | {row['cache_bytes'] / 1e6:,.0f} "
        f"| {row['seconds_to_first_step']:.0f} | {row['seconds_to_last_step']:.0f} | {row['gb']:.2f} |",
    ]
    write_section(f"{count:,} series", Path(__file__), lines, arguments=f" {count}")
    save(Path(__file__), row)


if __name__ == "__main__":
    main()
