"""What a memory task is: examples drawn from a seed, what they cost, and what an answer by chance scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


class Examples(NamedTuple):
    """Sequences of one length with what is asked at their end."""

    input: Tensor
    """(T, B, I) float32"""
    targets: Tensor
    """(K, B), asked at each of the last K steps: int64 classes, or float32 numbers"""


class Problem(NamedTuple):
    """A memory task.

    Fields:
        name: as `train_memory` takes it.
        title: for a heading.
        paper: where it was first used, or in this form.
        asks: what is to be answered, in a sentence.
        input_size: I, features of a step.
        output_size: classes; 1: a number.
        metric: `accuracy`, or `mean_squared_error`, of which less is better.
        chance: what the best answer scores that has read nothing.
        solved_at: the score from which the task counts as learnt.
        draw: rows, lag and generator to examples; the lag is the number of steps from what matters first to
            where it is asked, and for tasks on all of a sequence its length.
    """

    name: str
    title: str
    paper: str
    asks: str
    input_size: int
    output_size: int
    metric: str
    chance: float
    solved_at: float
    draw: Callable[[int, int, Generator], Examples]

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the metric is better."""
        return self.metric == "accuracy"

    def examples(self, rows: int, lag: int, seed: int) -> Examples:
        """Made-up examples; the same arguments make the same ones.

        Args:
            rows: B.
            lag: as in `draw`.
            seed: of what is drawn.
        """
        return self.draw(rows, lag, torch.Generator("cpu").manual_seed(seed))

    def is_solved(self, score: float) -> bool:
        """Whether a score is as good as `solved_at`."""
        return score >= self.solved_at if self.higher_is_better else score <= self.solved_at

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss: cross-entropy in nats, or squared error.

        Args:
            outputs: (K, B, output_size).
            targets: (K, B).
        """
        if self.output_size == 1:
            return F.mse_loss(outputs.squeeze(-1), targets)
        return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """The metric, of arguments as those of `loss`."""
        if self.output_size == 1:
            return float(F.mse_loss(outputs.squeeze(-1), targets))
        return float((outputs.argmax(-1) == targets).double().mean())


def one_hot(symbols: Tensor, size: int) -> Tensor:
    """Symbol numbers (T, B) as (T, B, size) float32."""
    return F.one_hot(symbols, size).float()


def draw_integers(high: int, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Integers from 0 to `high` - 1, of int64, on the CPU whatever torch's default device is."""
    return torch.randint(high, shape, generator=generator, device="cpu")
