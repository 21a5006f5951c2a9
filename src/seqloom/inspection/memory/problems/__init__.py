"""The table of memory tasks, one file a task."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from seqloom.errors import ConfigError, nearest
from seqloom.inspection.memory.problem import Problem
from seqloom.inspection.memory.problems.adding import ADDING
from seqloom.inspection.memory.problems.copying import COPYING
from seqloom.inspection.memory.problems.first_symbol import FIRST_SYMBOL
from seqloom.inspection.memory.problems.parity import PARITY
from seqloom.inspection.memory.problems.temporal_order import TEMPORAL_ORDER

PROBLEMS: Mapping[str, Problem] = MappingProxyType(
    {problem.name: problem for problem in (ADDING, COPYING, TEMPORAL_ORDER, PARITY, FIRST_SYMBOL)}
)
"""Every memory task by its name"""


def problem_named(name: str) -> Problem:
    """The memory task of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PROBLEMS:
        raise ConfigError("memory task", f"unknown task `{name}`", hint=nearest(name, PROBLEMS))
    return PROBLEMS[name]
