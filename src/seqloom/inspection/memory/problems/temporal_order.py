"""Temporal order (Hochreiter and Schmidhuber, 1997, experiment 6a): among distractors stand two symbols, each
X or Y; which came first, which second?

One of four answers, so 1 of 4 by chance.
"""

from __future__ import annotations

import torch
from torch import Generator

from seqloom.inspection.memory.problem import Examples, Problem, draw_integers, one_hot

DISTRACTORS = 4
X = DISTRACTORS
END = X + 2


def draw(rows: int, lag: int, generator: Generator) -> Examples:
    """Sequences of `lag` + 1 steps, `lag` at least 10: one symbol in the second tenth, one in the sixth."""
    tenth = max(lag // 10, 1)
    steps = draw_integers(DISTRACTORS, (lag + 1, rows), generator)
    first = tenth + draw_integers(tenth, (1, rows), generator)
    second = 5 * tenth + draw_integers(tenth, (1, rows), generator)
    symbols = draw_integers(2, (2, rows), generator)
    steps = steps.scatter(0, torch.cat([first, second]), X + symbols)
    steps[-1] = END
    return Examples(one_hot(steps, END + 1), (2 * symbols[0] + symbols[1]).unsqueeze(0))


TEMPORAL_ORDER = Problem(
    name="temporal-order",
    title="Temporal order",
    paper="Hochreiter and Schmidhuber, 1997",
    asks="which of X and Y came first, and which second",
    input_size=END + 1,
    output_size=4,
    metric="accuracy",
    chance=0.25,
    solved_at=0.95,
    draw=draw,
)
