"""The size of a character language model that learns most within a given time on this machine.

A model that is too large sees too little of its text, one that is too small cannot hold what it sees. Around
`PASSES` passes over the text the loss hardly depends on the size, so a short measurement of speed is enough,
on a machine with other work too.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import NamedTuple

import torch

from seqloom.models.language_model import LanguageModel
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.runs.config import TrainingConfig
from seqloom.training.gradients import clip_gradient, gradient_norm
from seqloom.training.optimizer import build_optimizer
from seqloom.training.precision import best_precision

PASSES = 3
"""With fewer passes over its text, a smaller model learns more in the same time."""
HIDDEN_SIZES = range(192, 513, 32)
"""Smaller ones learn less even in a minute of one slow core, as when other work disturbs the measurement."""
MEASURED_SIZE = 128
EMBEDDING_SIZE = 32
"""There are few characters: a wide embedding would cost time that the recurrent layer makes more of."""
BATCH_SIZE = 16
WINDOW = 64
LEARNING_RATE_BY_UNITS = 1.28
"""Times 1 / units: 0.01 for 128 of them, and as much less for more as their sums are larger"""
NGRAM_CONTEXT = 5
"""What follows the last characters is learnt in one pass by a table, which costs a quarter of the time."""
VOCABULARY = 100
"""About the number of different characters of an English text"""


class Sizing(NamedTuple):
    """A GRU, and why it has this size."""

    hidden_size: int
    characters_per_second: float
    """How fast this machine trains a GRU with `MEASURED_SIZE` units"""
    passes: float
    """Over the text, as expected from that; a larger model, which is faster for its size, makes more"""

    def settings(self) -> list[str]:
        """The size as settings of a training."""
        return [
            "model.cell_type=gru",
            f"model.hidden_size={self.hidden_size}",
            "model.num_layers=1",
            f"model.embedding_size={EMBEDDING_SIZE}",
            "model.dropout=0",  # the text is seen too seldom to be learnt by heart
            f"training.batch_size={BATCH_SIZE}",
            f"training.window={WINDOW}",
            f"training.learning_rate={LEARNING_RATE_BY_UNITS / self.hidden_size:.2g}",
            f"model.ngram_context={NGRAM_CONTEXT}",
            "training.validate_every=1000",
        ]

    def __str__(self) -> str:
        return (
            f"a GRU with {self.hidden_size} units and n-gram features, to read the text at least "
            f"{self.passes:.1f} times; with {MEASURED_SIZE}, this machine learns from "
            f"{self.characters_per_second:,.0f} characters a second"
        )


def choose_size(characters: int, seconds: float, speed: float) -> Sizing:
    """The largest GRU that reads the text `PASSES` times; the smallest where none does.

    Args:
        characters: length of the text.
        seconds: time to train for.
        speed: as `measure_speed` returns it.

    >>> [choose_size(420_000, seconds, speed=48_000).hidden_size for seconds in (3, 60, 120, 600)]
    [192, 192, 288, 512]
    """
    weights_per_second = speed * _weights(MEASURED_SIZE)
    passes = {size: weights_per_second * seconds / _weights(size) / characters for size in HIDDEN_SIZES}
    size = max((size for size in HIDDEN_SIZES if passes[size] >= PASSES), default=HIDDEN_SIZES[0])
    return Sizing(size, speed, passes[size])


def measure_speed(seconds: float) -> float:
    """Characters a second that a GRU with `MEASURED_SIZE` units learns from, measured for so many seconds."""
    config = TrainingConfig()
    bf16 = best_precision() == "bfloat16"
    with torch.random.fork_rng(devices=[]):
        recurrent = RecurrentConfig("gru", MEASURED_SIZE)
        model = LanguageModel(VOCABULARY, EMBEDDING_SIZE, recurrent, ngram_context=NGRAM_CONTEXT)
        tokens = torch.randint(VOCABULARY, (BATCH_SIZE, WINDOW + 1))
    optimizer = build_optimizer(model, config)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            logits, _ = model(tokens[:, :-1])
        torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten()).backward()
        clip_gradient(model, 1.0, gradient_norm(model))
        optimizer.step()
        optimizer.zero_grad()

    step()  # the first one also allocates, and loads what it needs
    steps, started = 0, time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds or not steps:
        step()
        steps += 1
    return steps * BATCH_SIZE * WINDOW / elapsed


def _weights(hidden_size: int) -> int:
    """How many weights each character is multiplied by."""
    return 3 * hidden_size * (EMBEDDING_SIZE + hidden_size) + hidden_size * VOCABULARY
