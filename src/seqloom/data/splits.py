"""Which split a file belongs to, by its name; and a validation split where nobody made one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy

SPLITS = ("train", "validation", "test")
NAMES = {name: name for name in SPLITS} | dict.fromkeys(("valid", "val", "dev"), "validation")

HELD_OUT = 0.1
HELD_OUT_ROWS = 2000
"""Of many rows no more than these are held out: measuring more makes a figure hardly surer, only later."""
SEED = 0


def split_name(file: Path, folder: Path) -> str | None:
    """`train` for train.txt, for train-00000-of-00002.parquet and for anything under a folder train/.

    >>> split_name(Path("data/dev/a.txt"), Path("data")), split_name(Path("data/notes.txt"), Path("data"))
    ('validation', None)
    """
    names = [*file.relative_to(folder).parts[:-1], file.stem, file.stem.partition("-")[0]]
    return next((NAMES[name] for name in names if name in NAMES), None)


def hold_out(groups: Sequence[Hashable]) -> numpy.ndarray:
    """Which rows are held out for validation: (N,) bool. Rows of one group stay together.

    A tenth of the groups, 2,000 at most and one at least where there are two; drawn with a fixed seed, so
    that the same data is always split the same way.
    """
    numbers: dict[Hashable, int] = {}
    group = numpy.array([numbers.setdefault(name, len(numbers)) for name in groups], dtype=int)
    count = min(max(round(HELD_OUT * len(numbers)), 1), HELD_OUT_ROWS) if len(numbers) > 1 else 0
    chosen = numpy.zeros(len(numbers), dtype=bool)
    chosen[numpy.random.default_rng(SEED).permutation(len(numbers))[:count]] = True
    return chosen[group] if len(group) else numpy.zeros(0, dtype=bool)
