r"""The adding problem (Hochreiter and Schmidhuber, 1997, experiment 4; in this form Arjovsky et al., 2016,
arXiv:1511.06464):

.. math:: y = x_s + x_t, \quad s < T/2 \le t, \quad x \sim U(0, 1)

Each step has a number and a mark; two steps are marked, one in each half of the sequence. Always answering 1
costs the variance of the sum of two uniform numbers, 2 / 12.
"""

from __future__ import annotations

import torch
from torch import Generator

from seqloom.inspection.memory.problem import Examples, Problem, draw_integers


def draw(rows: int, lag: int, generator: Generator) -> Examples:
    """Sequences of `lag` steps, 2 at least: (T, B, 2), numbers and marks."""
    numbers = torch.rand(lag, rows, generator=generator, device="cpu")
    half = lag // 2
    first, second = (
        draw_integers(half, (1, rows), generator),
        half + draw_integers(lag - half, (1, rows), generator),
    )
    marks = torch.zeros_like(numbers).scatter(0, torch.cat([first, second]), 1.0)
    return Examples(torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(0, keepdim=True))


ADDING = Problem(
    name="adding",
    title="Adding",
    paper="Hochreiter and Schmidhuber, 1997",
    asks="the sum of the two marked numbers",
    input_size=2,
    output_size=1,
    metric="mean_squared_error",
    chance=1 / 6,
    solved_at=0.01,
    draw=draw,
)
