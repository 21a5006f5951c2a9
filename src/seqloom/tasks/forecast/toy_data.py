"""Made-up series: a trend, a week, noise, and for each shop its own level."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy

from seqloom.files import write_atomically

SHOPS, DAYS, HELD_OUT = 80, 280, 28


def write_toy_data_files(folder: Path, seed: int) -> str:
    """Write train.csv, validation.csv and test.csv, of columns unique_id, ds, y."""
    generator = numpy.random.default_rng(seed)
    week = numpy.array([0.8, 0.9, 0.9, 1.0, 1.3, 1.5, 0.6])
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for shop in range(SHOPS):
        level, trend = generator.uniform(20, 400), generator.uniform(-0.0005, 0.002)
        days = numpy.arange(DAYS)
        shape = numpy.roll(week, int(generator.integers(7))) ** generator.uniform(0.5, 1.5)
        mean = level * (1 + trend * days) * shape[days % 7]
        sales = numpy.maximum(mean * numpy.exp(0.08 * generator.standard_normal(DAYS)), 0)
        for day, value in zip(days.tolist(), sales.tolist(), strict=True):
            held_out = (day >= DAYS - 2 * HELD_OUT) + (day >= DAYS - HELD_OUT)
            when = date(2023, 1, 2) + timedelta(day)
            list(parts.values())[held_out].append(f"shop-{shop + 1:02},{when},{value:.1f}\n")
    for split, rows in parts.items():
        write_atomically(folder / f"{split}.csv", "unique_id,ds,y\n" + "".join(rows))
    return "sales of 80 shops, day by day, each with a level, a trend and a week of its own"
