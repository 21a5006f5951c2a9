"""Toy clips: a shape moves over a dark ground, in one direction, or in several one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy

from seqloom.data.video.writing import write_clip
from seqloom.files import write_atomically

ROWS = {"train": 96, "validation": 24, "test": 66}
SIZE = 32
"""Height and width of a frame in pixels"""
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
SHAPES = ("square", "disk", "cross")
MOVE_FRAMES = (8, 11)
"""Fewest and most of a move"""
PAUSE_FRAMES = 3
SPEED = 1.6
"""Pixels a frame"""
MOVES = (1, 3)


def write_labeled_shapes(folder: Path, seed: int) -> str:
    """Write a folder for each split, with clips of one move, whose direction is the label."""
    generator = numpy.random.default_rng(seed)
    _write(folder, generator, "label", 1, 1)
    return "clips in which a square, a disk or a cross moves left, right, up or down, which is the label"


def write_told_shapes(folder: Path, seed: int) -> str:
    """Write a folder for each split, with clips of a few moves, whose directions are the transcription."""
    generator = numpy.random.default_rng(seed)
    _write(folder, generator, "transcription", *MOVES)
    return "clips in which a shape moves a few times; the directions, in order, are the transcription"


def _write(folder: Path, generator: numpy.random.Generator, column: str, least: int, most: int) -> None:
    for split, count in ROWS.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        lines = [f"file_name,{column}"]
        for number in range(count):
            moves = generator.choice(list(DIRECTIONS), generator.integers(least, most + 1)).tolist()
            name = f"{number:03d}.mp4"
            write_clip(folder / split / name, draw_moves(moves, generator))
            lines.append(f"{name},{' '.join(moves)}")
        write_atomically(folder / split / "metadata.csv", "\n".join(lines) + "\n")


def draw_moves(moves: list[str], generator: numpy.random.Generator) -> numpy.ndarray:
    """The frames (T, 32, 32, 3) uint8 of a shape that makes these moves, with pauses before and after each.

    >>> draw_moves(["left", "up"], numpy.random.default_rng(0)).shape[1:]
    (32, 32, 3)
    """
    shape, color = generator.choice(SHAPES), generator.integers(120, 256, 3)
    # Where the first move passes the middle halfway, the mean of all frames says nothing of its direction.
    halfway = numpy.array(DIRECTIONS[moves[0]]) * SPEED * sum(MOVE_FRAMES) / 4
    place = generator.uniform(SIZE * 0.4, SIZE * 0.6, 2) - halfway
    places = [place] * PAUSE_FRAMES
    for move in moves:
        step = numpy.array(DIRECTIONS[move]) * SPEED
        for _ in range(generator.integers(*MOVE_FRAMES, endpoint=True)):
            place = (place + step) % SIZE
            places.append(place)
        places += [place] * PAUSE_FRAMES
    ground = generator.integers(10, 60)
    frames = numpy.full((len(places), SIZE, SIZE, 3), ground, dtype=numpy.uint8)
    for frame, (y, x) in zip(frames, places, strict=True):
        frame[_mask(shape, y, x)] = color
    return frames


def _mask(shape: str, y: float, x: float) -> numpy.ndarray:
    """Where a shape at (y, x) is; what leaves the frame comes back at the other side."""
    rows, columns = numpy.mgrid[:SIZE, :SIZE]
    half = SIZE / 2
    down, across = (rows - y + half) % SIZE - half, (columns - x + half) % SIZE - half
    if shape == "disk":
        return down**2 + across**2 <= 20
    if shape == "square":
        return numpy.maximum(abs(down), abs(across)) <= 4
    return (numpy.minimum(abs(down), abs(across)) <= 1.5) & (numpy.maximum(abs(down), abs(across)) <= 5)
