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
SHADE = 30
"""How far a shape's red, green and blue may be from its color's"""
SHAPES = ("circle", "square", "triangle")
RADII = (4, 7)
"""Of a shape, from and to"""
PAPER = (170, 255)
"""Red, green and blue of the ground, from and to"""
COUNTS = {"train": 480, "validation": 80, "test": 80}
FORMS = ("a {} above a {}", "there is a {} with a {} below it")


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
    return (
        "drawings of two shapes of any size, place and shade, each with two captions that say which is above "
        "the other"
    )


def draw(generator: numpy.random.Generator) -> tuple[Any, list[str]]:
    """A picture, and the names of its upper and its lower shape.

    >>> image, shapes = draw(numpy.random.default_rng(0))
    >>> image.size, len(shapes)
    ((32, 32), 2)
    """
    paper = tuple(generator.integers(PAPER[0], PAPER[1] + 1, 3).tolist())
    image = import_optional("PIL.Image", "vision").new("RGB", (SIZE, SIZE), paper)
    brush = import_optional("PIL.ImageDraw", "vision").Draw(image)
    names = []
    for radius, y in _place(generator):
        color, shape = (str(generator.choice(list(words))) for words in (COLORS, SHAPES))
        shade = generator.integers(-SHADE, SHADE + 1, 3)
        paint = tuple((numpy.array(COLORS[color]) + shade).clip(0, 255).tolist())
        x = int(generator.integers(radius, SIZE - radius))
        left, upper, right, lower = x - radius, y - radius, x + radius, y + radius
        if shape == "circle":
            brush.ellipse((left, upper, right, lower), paint)
        elif shape == "square":
            brush.rectangle((left, upper, right, lower), paint)
        else:
            brush.polygon(((x, upper), (left, lower), (right, lower)), paint)
        names.append(f"{color} {shape}")
    return image, names


def _place(generator: numpy.random.Generator) -> list[tuple[int, int]]:
    """The radius and the middle y of the upper and of the lower shape, which do not touch."""
    upper, lower = generator.integers(RADII[0], RADII[1] + 1, 2).tolist()
    room = SIZE - (2 * upper + 1) - (2 * lower + 1) - 1
    first, second = sorted(generator.integers(0, room + 1, 2).tolist())
    return [(upper, first + upper), (lower, second + 2 * upper + 2 + lower)]
