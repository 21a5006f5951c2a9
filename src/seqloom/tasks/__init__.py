"""Tasks: what can be done with sequences. One folder a task, and one line a task in TASKS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from seqloom.errors import ConfigError, nearest

if TYPE_CHECKING:
    from seqloom.tasks.base import Task

TASKS: Mapping[str, str] = MappingProxyType(
    {
        "generate": "seqloom.tasks.generate.task:Generate",
        "classify": "seqloom.tasks.classify.task:Classify",
        "tag": "seqloom.tasks.tag.task:Tag",
        "translate": "seqloom.tasks.translate.task:Translate",
        "transcribe": "seqloom.tasks.transcribe.task:Transcribe",
        "caption": "seqloom.tasks.caption.task:Caption",
        "compose": "seqloom.tasks.compose.task:Compose",
        "forecast": "seqloom.tasks.forecast.task:Forecast",
    }
)
"""The module and the class of every task; a module is imported when its task is first asked for."""


def task_named(name: str) -> Task:
    """The task of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in TASKS:
        raise ConfigError("task", f"unknown task `{name}`", hint=nearest(name, TASKS))
    return _load(TASKS[name])


def all_tasks() -> Iterator[Task]:
    """Every task."""
    return map(task_named, TASKS)


def infer(data: Any) -> list[tuple[Task, str]]:
    """The tasks that accept `data`, each with its reason."""
    return [(task, reason) for task in all_tasks() if (reason := task.accepts(data))]


@cache
def _load(place: str) -> Task:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)()


__all__ = ["TASKS", "all_tasks", "infer", "task_named"]
