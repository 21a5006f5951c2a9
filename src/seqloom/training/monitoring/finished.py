"""What a training leaves in memory, for those who tell of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from seqloom.evaluation.report import Report
from seqloom.runs.example import Answered
from seqloom.tasks.base import Rows
from seqloom.training.job import Job
from seqloom.training.state import TrainingState


class Finished(NamedTuple):
    """A training that is over, with its best weights."""

    folder: Path
    job: Job
    model: Any
    """With its best weights"""
    state: TrainingState
    report: Report
    rows: Rows
    """What the model scored on the report's split"""
    example: Answered | None
    """An input of that split with the model's answer"""


AtEnd: TypeAlias = Callable[[Finished, Callable[[str], object]], object]
"""What is called once a training is over, with a function that takes lines for a person"""
