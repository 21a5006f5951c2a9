"""The memory tasks of the literature: made from a seed, each with its chance level, and a small trainer.

They ask one question: how many steps later does a recurrent layer still know what it has read?

>>> from seqloom.inspection.memory import PROBLEMS, train_memory
>>> PROBLEMS["first-symbol"].chance
0.25
>>> result = train_memory("first-symbol", "gru", lag=5, seed=0)
>>> result.solved, result.score > 0.9
(True, True)
"""

from seqloom.inspection.memory.problem import Examples, Problem
from seqloom.inspection.memory.problems import PROBLEMS, problem_named
from seqloom.inspection.memory.training import (
    MemoryModel,
    MemoryResult,
    MemorySettings,
    score_memory,
    train_memory,
)

__all__ = [
    "PROBLEMS",
    "Examples",
    "MemoryModel",
    "MemoryResult",
    "MemorySettings",
    "Problem",
    "problem_named",
    "score_memory",
    "train_memory",
]
