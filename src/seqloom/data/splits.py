"""Data splits: which split a file belongs to, by its name, and a validation split where there is none."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy

from seqloom.data.compression import content_name

SPLITS = ("train", "validation", "test")
NAMES = {name: name for name in SPLITS} | dict.fromkeys(("valid", "val", "dev"), "validation")

HELD_OUT = 0.1
"""Share of the data that is held out for validation"""
HELD_OUT_ROWS = 2000
"""Maximum rows that are held out: more would make validation slower and hardly more precise."""
SEED = 0


def infer_split(file: Path, folder: Path) -> str | None:
    """The split of a file in a data folder, by the name of the file or of a folder above it; None: unnamed.

    train.txt, Train.csv.gz, train-00000-of-00002.parquet and anything in a folder train/ are `train`.

    >>> infer_split(Path("data/dev/a.txt"), Path("data")), infer_split(Path("data/notes.txt"), Path("data"))
    ('validation', None)
    """
    stem = content_name(file).stem
    names = [*file.relative_to(folder).parts[:-1], stem, stem.partition("-")[0]]
    return next((NAMES[name.lower()] for name in names if name.lower() in NAMES), None)


def hold_out(groups: Sequence[Hashable] | range) -> numpy.ndarray:
    """Choose the rows that are held out for validation; rows of one group stay together.

    A tenth of the groups, at most 2,000, and at least one if there are two or more. The seed is fixed, so
    that the same data always has the same split.

    Args:
        groups: the group of every row, N of them; a range where every row is a group of its own.

    Returns:
        (N,) bool, true for rows that are held out.
    """
    if isinstance(groups, range):
        return _draw(len(groups))
    numbers: dict[Hashable, int] = {}
    group_of_row = numpy.array([numbers.setdefault(name, len(numbers)) for name in groups], dtype=int)
    return _draw(len(numbers))[group_of_row]


def _draw(count: int) -> numpy.ndarray:
    """Which of `count` groups are held out."""
    drawn = min(max(round(HELD_OUT * count), 1), HELD_OUT_ROWS) if count > 1 else 0
    held_out = numpy.zeros(count, dtype=bool)
    held_out[numpy.random.default_rng(SEED).permutation(count)[:drawn]] = True
    return held_out
