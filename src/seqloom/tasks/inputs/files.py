"""The files of inputs in a run folder."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.audio.normalizer import Normalizer
from seqloom.errors import RunError

NORMALIZER = "normalizer.json"
NORMALIZER_BEFORE = "normaliser.json"
"""Its name in run folders of format 1."""


def read_run_file(path: Path) -> str:
    """The text of a run folder's file.

    Raises:
        RunError: it is missing.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(path, "expected a file of the run", got=error.strerror or str(error)) from None


def read_normalizer(folder: Path) -> Normalizer:
    """The normalizer of a run folder.

    Raises:
        RunError: it is missing.
    """
    before = folder / NORMALIZER_BEFORE
    return Normalizer.from_json(read_run_file(before if before.exists() else folder / NORMALIZER))
