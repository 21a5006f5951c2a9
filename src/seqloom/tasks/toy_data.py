"""A small made-up data set for a task."""

from __future__ import annotations

from pathlib import Path

from seqloom.errors import RunError
from seqloom.files import cannot_write
from seqloom.tasks import task_named


def toy_data(task: str, folder: Path | str, *, seed: int = 0) -> str:
    """Write a small made-up data set of the kind that `task` takes.

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
    chosen, folder = task_named(task), Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(folder, "expected a new folder", got="one that holds something", hint="Name another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return chosen.write_toy_data(folder, seed)
    except OSError as error:
        raise cannot_write(folder, error) from None
