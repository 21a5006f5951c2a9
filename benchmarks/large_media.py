"""Whether the memory of a training grows with the number of pictures and of clips.

Made-up pictures of 96 x 96 pixels with a caption each, and made-up clips with a label; `seqloom train` in a
process of its own, with an empty cache, for 100 steps: of so many files, and of four times as many. What
counts is the memory of the process itself: pages of the cache's files, which the system takes back when it
needs them, are not part of it.

    python benchmarks/large_media.py
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy
from results import save, verdict, write_section
from watching import watch_training

from seqloom.data.video.writing import write_clip
from seqloom.tasks.caption.toy_data import draw
from seqloom.tasks.inputs.moving_shapes import DIRECTIONS, draw_moves

STEPS = 100
PICTURES, CLIPS = (2_000, 8_000), (500, 2_000)
HELD_OUT = 50
SIDE = 96
AT_MOST = 1.1


def write_pictures(folder: Path, count: int) -> None:
    """PNG files and metadata.csv, in three splits."""
    generator = numpy.random.default_rng(0)
    for split, files in (("train", count), ("validation", HELD_OUT), ("test", HELD_OUT)):
        (folder / split).mkdir(parents=True)
        with (folder / split / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file_name", "text"])
            for number in range(files):
                image, (upper, lower) = draw(generator)
                image.resize((SIDE, SIDE)).save(folder / split / f"{number}.png")
                writer.writerow([f"{number}.png", f"a {upper} above a {lower}"])


def write_clips(folder: Path, count: int) -> None:
    """Clips in a folder for each label, in three splits."""
    generator, names = numpy.random.default_rng(0), list(DIRECTIONS)
    for split, files in (("train", count), ("validation", HELD_OUT), ("test", HELD_OUT)):
        for number in range(files):
            label = names[number % len(names)]
            (folder / split / label).mkdir(parents=True, exist_ok=True)
            frames = draw_moves([label], generator)
            write_clip(folder / split / label / f"{number}.mp4", frames)


CASES: dict[str, tuple[Any, tuple[int, int], str, dict[str, object]]] = {
    "pictures": (write_pictures, PICTURES, "caption", {"data.encoder": "small-cnn", "data.image_size": SIDE}),
    "clips": (write_clips, CLIPS, "classify", {"data.downsampling": 2}),
}


def measure(kind: str, count: int) -> dict[str, Any]:
    """Write the files, train on them, and watch."""
    write, _, task, settings = CASES[kind]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "data", count)
        seen = watch_training(folder / "data", settings, STEPS, folder, task, with_report=False)
        cached = sum(file.stat().st_size for file in (folder / "cache").rglob("*") if file.is_file())
    return {"kind": kind, "files": count, "task": task, "cache_bytes": cached, **seen._asdict()}


def main() -> None:
    """Measure, and write the section."""
    lines = [
        "| files | cache, MB | first step after, s | memory, MB | times that of a quarter | at most | |",
        "|---|---|---|---|---|---|---|",
    ]
    rows: list[dict[str, Any]] = []
    for kind, (_, counts, _, _) in CASES.items():
        before = 0.0
        for count in counts:
            row = measure(kind, count)
            rows.append(row)
            megabytes = row["own_kib_at_last_step"] * 1024 / 1e6
            line = f"| {count:,} {kind} | {row['cache_bytes'] / 1e6:,.0f} "
            line += f"| {row['seconds_to_first_step']:.0f} | {megabytes:,.0f} "
            growth = megabytes / before if before else None
            judged = "" if growth is None else verdict(growth, AT_MOST, at_most=True)
            lines.append(f"{line}| {'' if growth is None else f'{growth:.2f}'} | {AT_MOST} | {judged} |")
            before = megabytes
    write_section("Many pictures, many clips", Path(__file__), lines)
    save(Path(__file__), rows)


if __name__ == "__main__":
    main()
