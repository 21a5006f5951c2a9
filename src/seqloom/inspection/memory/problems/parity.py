"""Parity (Bengio et al., 1994): whether the number of ones in a sequence of bits is odd.

Every bit changes the answer, so that part of a sequence says nothing: 1 of 2 by chance.
"""

from __future__ import annotations

from torch import Generator

from seqloom.inspection.memory.problem import Examples, Problem, draw_integers


def draw(rows: int, lag: int, generator: Generator) -> Examples:
    """Sequences of `lag` bits, (T, B, 1), as -1 and 1."""
    bits = draw_integers(2, (lag, rows), generator)
    return Examples((2.0 * bits - 1).unsqueeze(-1), bits.sum(0, keepdim=True) % 2)


PARITY = Problem(
    name="parity",
    title="Parity",
    paper="Bengio et al., 1994",
    asks="whether the number of ones is odd",
    input_size=1,
    output_size=2,
    metric="accuracy",
    chance=0.5,
    solved_at=0.95,
    draw=draw,
)
