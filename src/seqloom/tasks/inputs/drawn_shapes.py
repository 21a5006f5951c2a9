"""Toy pictures: a bright disk, square, triangle or cross, of any size and place, on a dark ground."""

from __future__ import annotations

from pathlib import Path

import numpy

from seqloom.optional import import_optional

ROWS = {"train": 240, "validation": 40, "test": 80}
SIZE = 24
"""Height and width of a picture in pixels"""
SHAPES = ("cross", "disk", "square", "triangle")


def write_labeled_shapes(folder: Path, seed: int) -> str:
    """Write a folder for each split, with a folder of pictures for each shape."""
    pil = import_optional("PIL.Image", "vision")
    generator = numpy.random.default_rng(seed)
    for split, count in ROWS.items():
        for number in range(count):
            shape = SHAPES[number % len(SHAPES)]
            (folder / split / shape).mkdir(parents=True, exist_ok=True)
            pil.fromarray(draw_shape(shape, generator)).save(folder / split / shape / f"{number:03d}.png")
    return (
        f"pictures of {SIZE} x {SIZE} pixels with a disk, a square, a triangle or a cross, which is the label"
    )


def draw_shape(shape: str, generator: numpy.random.Generator) -> numpy.ndarray:
    """A picture (24, 24, 3) uint8 of a shape.

    >>> draw_shape("disk", numpy.random.default_rng(0)).shape
    (24, 24, 3)
    """
    radius = generator.uniform(4.5, 8)
    center = generator.uniform(radius + 1, SIZE - radius - 1, 2)
    y, x = numpy.mgrid[:SIZE, :SIZE] + 0.5 - center[:, None, None]
    inside = {
        "cross": (numpy.minimum(abs(x), abs(y)) < radius / 3) & (numpy.maximum(abs(x), abs(y)) < radius),
        "disk": x**2 + y**2 < radius**2,
        "square": numpy.maximum(abs(x), abs(y)) < radius * 0.85,
        "triangle": (abs(x) < (y + radius) / 2) & (y < radius),
    }[shape]
    ground, color = generator.integers(0, 90, 3), generator.integers(140, 256, 3)
    noise = generator.normal(0, 8, (SIZE, SIZE, 3))
    return (numpy.where(inside[:, :, None], color, ground) + noise).clip(0, 255).astype(numpy.uint8)
