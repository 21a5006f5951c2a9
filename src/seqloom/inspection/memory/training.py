"""A small trainer for memory tasks: fresh examples at every step, Adam, clipping, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError
from seqloom.inspection.memory.initialization import INITIALIZATIONS, initialize
from seqloom.inspection.memory.problem import Examples, Problem
from seqloom.inspection.memory.problems import problem_named
from seqloom.layers.recurrent import CELL_TYPES, make_layer

VALIDATION_SEED, TEST_SEED, SEEDS_APART = 1 << 40, 1 << 41, 1 << 20
"""Examples to stop by, to report, and of each seed's training, which no two of them share"""
VALIDATION_ROWS, TEST_ROWS = 256, 1024


class MemorySettings(NamedTuple):
    """How a memory task is learnt."""

    hidden_size: int = 32
    """H"""
    batch_size: int = 32
    """Examples of a step, never seen again"""
    learning_rate: float = 5e-3
    """Of Adam, constant"""
    gradient_clip: float | None = 1.0
    """Largest norm of the whole gradient; None: not clipped"""
    max_steps: int = 1500
    """Steps after which it is given up"""
    validate_every: int = 50
    """Steps between looks at the score, which end the training once the task is solved"""
    initialization: Literal["long-memory", "torch"] = "long-memory"
    """`long-memory`: gates as they should be for the lag (see `initialize`); `torch`: as torch.nn has it"""
    learns_length: int = 0
    """Lag that the gates are made for; 0: that of the task"""


DEFAULTS = MemorySettings()


@final
class MemoryModel(nn.Module):
    """A recurrent layer and a linear output, which answers at the last steps.

    Args:
        problem: which gives both their sizes.
        cell_type: `rnn`, `lstm`, `gru` or another cell.
        hidden_size: H.
    """

    def __init__(self, problem: Problem, cell_type: str, hidden_size: int) -> None:
        super().__init__()
        self.layer = make_layer(cell_type, problem.input_size, hidden_size, device="cpu")
        self.output = nn.Linear(hidden_size, problem.output_size, device="cpu")

    def forward(self, input: Tensor, num_answers: int = 1) -> Tensor:
        """Answers at the last steps, (K, B, output_size), of sequences (T, B, I)."""
        hidden, _ = self.layer(input)
        return self.output(hidden[-num_answers:])


class MemoryResult(NamedTuple):
    """What came of a training."""

    problem: str
    cell_type: str
    lag: int
    seed: int
    score: float
    """The problem's metric on fresh examples"""
    chance: float
    solved: bool
    """Whether the score reached `Problem.solved_at`"""
    steps: int
    seconds: float
    """Processor time"""
    largest_norm: float
    """The largest norm of the gradient before clipping"""
    history: tuple[tuple[int, float], ...]
    """Steps, and the score on the examples that a training stops by"""
    model: Any
    """The `MemoryModel`, in evaluation mode"""


def train_memory(
    problem: Problem | str,
    cell_type: str,
    lag: int,
    *,
    seed: int = 0,
    settings: MemorySettings = DEFAULTS,
    log: Callable[[str], object] = str,
) -> MemoryResult:
    """Train a recurrent layer on a memory task, until it is solved or given up.

    Args:
        problem: a task of `PROBLEMS`, or its name.
        cell_type: `rnn`, `lstm`, `gru` or another cell.
        lag: steps from what matters first to where it is asked; see `Problem.draw`.
        seed: of weights and examples.
        settings: sizes, rates and limits.
        log: called with a line at each look at the score.

    Raises:
        ConfigError: a name that does not exist, or a number out of its range.

    >>> train_memory("parity", "rnn", 2, settings=MemorySettings(max_steps=0)).steps
    0
    """
    problem = problem_named(problem) if isinstance(problem, str) else problem
    _check(problem, cell_type, lag, settings)
    started = time.process_time()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MemoryModel(problem, cell_type, settings.hidden_size)
        if settings.initialization == "long-memory":
            initialize(model.layer, settings.learns_length or lag)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    validation = problem.examples(VALIDATION_ROWS, lag, VALIDATION_SEED)
    history: list[tuple[int, float]] = []
    largest_norm, step = 0.0, 0
    while step < settings.max_steps:
        examples = problem.examples(settings.batch_size, lag, seed * SEEDS_APART + step)
        norm = _update(model, problem, examples, optimizer, settings.gradient_clip)
        largest_norm, step = max(largest_norm, norm), step + 1
        if step % settings.validate_every == 0 or step == settings.max_steps:
            history.append((step, score_memory(model, problem, validation)))
            log(f"{problem.name}, {cell_type}, lag {lag}, step {step}: {problem.metric} {history[-1][1]:.3f}")
            if problem.is_solved(history[-1][1]) or norm != norm:
                break
    score = score_memory(model, problem, problem.examples(TEST_ROWS, lag, TEST_SEED))
    seconds = time.process_time() - started
    solved = problem.is_solved(score)
    return MemoryResult(
        problem.name, cell_type, lag, seed, score, problem.chance, solved, step, seconds, largest_norm,
        tuple(history), model.eval(),
    )  # fmt: skip


@torch.no_grad()
def score_memory(model: MemoryModel, problem: Problem, examples: Examples) -> float:
    """The problem's metric of a model on examples."""
    return problem.score(model(examples.input, len(examples.targets)), examples.targets)


def _update(
    model: MemoryModel, problem: Problem, examples: Examples, optimizer: Any, limit: float | None
) -> float:
    """One step; the norm of its gradient before clipping."""
    optimizer.zero_grad()
    problem.loss(model(examples.input, len(examples.targets)), examples.targets).backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), float("inf") if limit is None else limit)
    optimizer.step()
    return float(norm)


def _check(problem: Problem, cell_type: str, lag: int, settings: MemorySettings) -> None:
    where = f"memory task {problem.name}"
    least = 10 if problem.name in ("copying", "temporal-order") else 2
    if lag < least:
        raise ConfigError(where, f"lag must be an int >= {least}", got=lag)
    if cell_type not in CELL_TYPES:
        raise ConfigError(where, f"cell_type must be one of {', '.join(CELL_TYPES)}", got=cell_type)
    if settings.initialization not in INITIALIZATIONS:
        names = " or ".join(INITIALIZATIONS)
        raise ConfigError(where, f"initialization must be {names}", got=settings.initialization)
