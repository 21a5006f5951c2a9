"""Made-up series: for each shop a level, a trend, a week and promotions of its own, and noise."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy

from seqloom.data.options import setting
from seqloom.files import write_atomically

SHOPS, DAYS, HELD_OUT = 80, 280, 28
START = date(2023, 1, 2)
PROMOTION = 0.12
"""The share of days with one, each of which sells half as much again"""


def write_toy_data_files(folder: Path, seed: int) -> str:
    """Write train.csv, validation.csv and test.csv, of columns unique_id, ds, y, promotion; and future.csv,
    with the promotions of the days after, and without y."""
    generator = numpy.random.default_rng(seed)
    week = numpy.array([0.8, 0.9, 0.9, 1.0, 1.3, 1.5, 0.6])
    ends = {
        "train": DAYS - 2 * HELD_OUT,
        "validation": DAYS - HELD_OUT,
        "test": DAYS,
        "future": DAYS + HELD_OUT,
    }
    parts: dict[str, list[str]] = {name: [] for name in ends}
    for number in range(SHOPS):
        level, trend = generator.uniform(20, 400), generator.uniform(-0.0005, 0.002)
        days = numpy.arange(DAYS + HELD_OUT)
        shape = numpy.roll(week, int(generator.integers(7))) ** generator.uniform(0.5, 1.5)
        promotion = generator.random(len(days)) < PROMOTION
        mean = level * (1 + trend * days) * shape[days % 7] * (1 + 0.5 * promotion)
        sales = numpy.maximum(mean * numpy.exp(0.08 * generator.standard_normal(len(days))), 0)
        for day, (value, is_cheap) in enumerate(zip(sales.tolist(), promotion.tolist(), strict=True)):
            part = next(name for name, end in ends.items() if day < end)
            y = "" if part == "future" else f"{value:.1f},"
            parts[part].append(f"shop-{number + 1:02},{START + timedelta(day)},{y}{int(is_cheap)}\n")
    for part, rows in parts.items():
        columns = "unique_id,ds,promotion" if part == "future" else "unique_id,ds,y,promotion"
        write_atomically(folder / f"{part}.csv", f"{columns}\n" + "".join(rows))
    return (
        "sales of 80 shops by day, each with a level, a trend, a week and promotions of its own, which are "
        f"known {HELD_OUT} days ahead: train with {setting('data.known_future', '[promotion]')}"
    )
