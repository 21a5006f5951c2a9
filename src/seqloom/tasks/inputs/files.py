"""The files of inputs in a run folder."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.audio.normalizer import Normalizer
from seqloom.stored import read_text

NORMALIZER = "normalizer.json"
NORMALIZER_BEFORE = "normaliser.json"
"""Its name in run folders of format 1."""


def read_normalizer(folder: Path, size: int | None = None) -> Normalizer:
    """The normalizer of a run folder.

    Args:
        folder: of the run.
        size: how many features there must be; None: any number.

    Raises:
        RunError: it is missing or damaged.
    """
    before = folder / NORMALIZER_BEFORE
    path = before if before.exists() else folder / NORMALIZER
    return Normalizer.from_json(read_text(path, "expected a file of the run"), path, size)
