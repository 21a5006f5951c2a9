"""Made-up pictures of two shapes, one above the other, each with captions that say so."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy

from seqloom.files import write_atomically
from seqloom.optional import import_optional

SIZE = 32
"""Pixels of a side"""
COLORS = {"red": (214, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 220), "yellow": (235, 200, 30)}
SHAPES = ("circle", "square", "triangle")
RADII = (5, 7)
"""Of a shape, from and to"""
PAPER = (245, 245, 240)
COUNTS = {"train": 480, "validation": 66, "test": 66}
FORMS = (
    "there is a {} above a {} in this picture",
    "there is a {1} below a {0} in this picture",
)


def write_toy_data_files(folder: Path, seed: int) -> str:
    """Write a folder for each split, with PNG files and metadata.csv."""
    generator = numpy.random.default_rng(seed)
    for split, count in COUNTS.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["file_name", "text"])
        for number in range(count):
            name = f"{number:03d}.png"
            image, shapes = draw(generator)
            image.save(folder / split / name)
            writer.writerows([name, form.format(*shapes)] for form in FORMS)
        write_atomically(folder / split / "metadata.csv", table.getvalue())
    return "drawings of two shapes, each with two captions that say which is above the other"


def draw(generator: numpy.random.Generator) -> tuple[Any, list[str]]:
    """A picture, and the names of its upper and its lower shape.

    >>> image, shapes = draw(numpy.random.default_rng(0))
    >>> image.size, len(shapes)
    ((32, 32), 2)
    """
    image = import_optional("PIL.Image", "vision").new("RGB", (SIZE, SIZE), PAPER)
    brush = import_optional("PIL.ImageDraw", "vision").Draw(image)
    names = []
    for middle in (SIZE // 4, 3 * SIZE // 4):
        color, shape = (str(generator.choice(list(words))) for words in (COLORS, SHAPES))
        radius = int(generator.integers(RADII[0], RADII[1] + 1))
        x, y = int(generator.integers(8, SIZE - 8)), middle + int(generator.integers(-1, 2))
        left, upper, right, lower = x - radius, y - radius, x + radius, y + radius
        if shape == "circle":
            brush.ellipse((left, upper, right, lower), COLORS[color])
        elif shape == "square":
            brush.rectangle((left, upper, right, lower), COLORS[color])
        else:
            brush.polygon(((x, upper), (left, lower), (right, lower)), COLORS[color])
        names.append(f"{color} {shape}")
    return image, names
