"""The copying problem (Hochreiter and Schmidhuber, 1997; in this form Arjovsky et al., 2016,
arXiv:1511.06464): ten symbols of eight, blanks, a mark, and the ten symbols are to be repeated.

Without memory each of them is guessed: 1 of 8.
"""

from __future__ import annotations

import torch
from torch import Generator

from seqloom.inspection.memory.problem import Examples, Problem, draw_integers, one_hot

SYMBOLS = 8
LENGTH = 10
BLANK, MARK = SYMBOLS, SYMBOLS + 1


def draw(rows: int, lag: int, generator: Generator) -> Examples:
    """Sequences of `lag` + 10 steps, `lag` at least 10: each symbol is asked `lag` steps after it is read."""
    symbols = draw_integers(SYMBOLS, (LENGTH, rows), generator)
    steps = torch.full((lag + LENGTH, rows), BLANK, device="cpu")
    steps[:LENGTH] = symbols
    steps[lag] = MARK
    return Examples(one_hot(steps, SYMBOLS + 2), symbols)


COPYING = Problem(
    name="copying",
    title="Copying",
    paper="Arjovsky et al., 2016",
    asks="the ten symbols at the beginning, in their order",
    input_size=SYMBOLS + 2,
    output_size=SYMBOLS,
    metric="accuracy",
    chance=1 / SYMBOLS,
    solved_at=0.95,
    draw=draw,
)
