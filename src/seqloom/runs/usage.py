"""How to use a trained model: the command and the line of Python that fit its task."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

from seqloom.runs.run_folder import read_config
from seqloom.tasks.base import AudioStreaming, Preparation, Task, TextGeneration

VERBS = ("generate", "translate", "transcribe")
"""Tasks with a verb of their own on the command line, of the same name; `predict` serves all others."""


class Usage(NamedTuple):
    """What to type to get an answer from a model."""

    command: str
    python: str
    """An expression of `model`, a `Predictor`."""


def usage_of(folder: Path) -> Usage:
    """How to use the model of a run folder.

    Raises:
        RunError: it is no run folder.
    """
    config, _ = read_config(folder)
    return usage(folder, config.task, config.task.restore(folder, config.data))


def usage(folder: Path, task: Task, preparation: Preparation) -> Usage:
    """The command and the line of Python for a run folder."""
    verb = f"seqloom {task.name if task.name in VERBS else 'predict'} {shlex.quote(str(folder))}"
    if isinstance(task, TextGeneration):
        return Usage(f"{verb} --prompt 'The '", "model.generate('The ', max_new_tokens=200)")
    if isinstance(task, AudioStreaming) or preparation.column == "file":
        return Usage(f"{verb} recording.wav", "model.predict(['recording.wav'])[0].text")
    if preparation.column == "values":
        return Usage(f"{verb} table.jsonl", "model.predict([[0.1, 0.2, 0.3]])[0].text")
    pipe = f"echo 'a text' | {verb}" if task.name in VERBS else f"{verb} 'a text'"
    return Usage(pipe, "model.predict(['a text'])[0].text")
