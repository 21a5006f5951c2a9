"""Toy data for a task."""

from __future__ import annotations

from pathlib import Path

from seqloom.errors import RunError
from seqloom.files import cannot_write
from seqloom.tasks import task_named


def toy_data(task: str, folder: Path | str, *, seed: int = 0) -> str:
    """Write a small made-up data set that `task` accepts.

    Args:
        task: a name in `seqloom.tasks.TASKS`.
        folder: a new folder.
        seed: the same seed makes the same data.

    Returns:
        What it is, in a sentence.

    Raises:
        ConfigError: no such task.
        RunError: the folder is not empty, or cannot be written.
    """
    folder, known_task = Path(folder), task_named(task)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(folder, "expected a new folder", got="one that holds something", hint="Name another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return known_task.write_toy_data(folder, seed)
    except OSError as error:
        raise cannot_write(folder, error) from None
