"""What can be done with sequences: one task a file, one line each here."""

from __future__ import annotations

from seqloom.errors import ConfigError, nearest
from seqloom.tasks.base import Task, infer
from seqloom.tasks.classify.task import Classify
from seqloom.tasks.generate.task import Generate
from seqloom.tasks.tag.task import Tag
from seqloom.tasks.transcribe.task import Transcribe
from seqloom.tasks.translate.task import Translate

TASKS: dict[str, Task] = {
    "generate": Generate(),
    "classify": Classify(),
    "tag": Tag(),
    "translate": Translate(),
    "transcribe": Transcribe(),
}


def task_named(name: str) -> Task:
    """The task of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in TASKS:
        raise ConfigError("task", f"unknown task `{name}`", hint=nearest(name, TASKS))
    return TASKS[name]


__all__ = ["TASKS", "Task", "infer", "task_named"]
