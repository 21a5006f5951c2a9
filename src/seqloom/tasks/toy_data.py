"""Toy data for a task."""

from __future__ import annotations

from pathlib import Path

from seqloom.errors import ConfigError, RunError
from seqloom.files import cannot_write
from seqloom.tasks import task_named


def toy_data(task: str, folder: Path | str, *, seed: int = 0, kind: str | None = None) -> str:
    """Write a small made-up data set that `task` accepts.

    Args:
        task: a name in `seqloom.tasks.TASKS`.
        folder: a new folder.
        seed: the same seed makes the same data.
        kind: of what is read, such as `video`; None: the task's usual one.

    Returns:
        What it is, in a sentence.

    Raises:
        ConfigError: no such task, or it has no made-up data of this kind.
        RunError: the folder is not empty, or cannot be written.
    """
    folder, known_task = Path(folder), task_named(task)
    if kind is not None and kind not in known_task.more_toy_data:
        kinds = ", ".join(known_task.more_toy_data) or "none, as this task has one made-up data set only"
        raise ConfigError(f"toy-data {task}", f"the kind must be one of: {kinds}", got=kind)
    write = known_task.write_toy_data if kind is None else known_task.more_toy_data[kind]
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(folder, "expected a new folder", got="one that holds something", hint="Name another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return write(folder, seed)
    except OSError as error:
        raise cannot_write(folder, error) from None
