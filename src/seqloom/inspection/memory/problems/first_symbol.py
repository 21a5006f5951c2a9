"""First symbol (the latching problem of Bengio et al., 1994, with symbols as in Hochreiter and Schmidhuber,
1997, experiment 2): which of four symbols stood at the beginning, before nothing but distractors?

1 of 4 by chance.
"""

from __future__ import annotations

from torch import Generator

from seqloom.inspection.memory.problem import Examples, Problem, draw_integers, one_hot

SYMBOLS, DISTRACTORS = 4, 4


def draw(rows: int, lag: int, generator: Generator) -> Examples:
    """Sequences of `lag` + 1 steps, (T, B, 8): the symbol, and after it distractors, which are others."""
    symbols = draw_integers(SYMBOLS, (1, rows), generator)
    steps = SYMBOLS + draw_integers(DISTRACTORS, (lag + 1, rows), generator)
    steps[0] = symbols[0]
    return Examples(one_hot(steps, SYMBOLS + DISTRACTORS), symbols)


FIRST_SYMBOL = Problem(
    name="first-symbol",
    title="First symbol",
    paper="Bengio et al., 1994",
    asks="the first symbol",
    input_size=SYMBOLS + DISTRACTORS,
    output_size=SYMBOLS,
    metric="accuracy",
    chance=1 / SYMBOLS,
    solved_at=0.95,
    draw=draw,
)
