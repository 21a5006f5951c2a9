"""Claim 28: both directions against one, at equal parameters."""

from __future__ import annotations

import statistics

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.inspection.claims.bench import Bench
from seqloom.inspection.claims.claim import Check, Finding, Picture, least, most
from seqloom.inspection.comparison.statistics import welch
from seqloom.inspection.comparison.variants import choose_variants, count_parameters, nearest_width
from seqloom.layers.recurrent import LSTM

SYMBOLS, LENGTH, ROWS, STEPS, SEEDS = 4, 16, 32, 200, 3
WIDTH = 24
"""Of the one-way LSTM; the bidirectional one has as many parameters"""
REVIEW_STEPS = 100


class Neighbors(nn.Module):
    """An LSTM that says at every step which of its neighbors is larger.

    Args:
        width: hidden units of a direction.
        bidirectional: whether it reads both ways.
    """

    def __init__(self, width: int, bidirectional: bool) -> None:
        super().__init__()
        self.layer = LSTM(SYMBOLS, width, bidirectional=bidirectional)
        self.output = nn.Linear(width * (1 + bidirectional), SYMBOLS)

    def forward(self, symbols: Tensor) -> Tensor:
        """Logits (T - 2, B, 4) for all steps but the first and the last, of symbols (T, B)."""
        return self.output(self.layer(F.one_hot(symbols, SYMBOLS).float())[0])[1:-1]


def both_directions_help(bench: Bench) -> Finding:
    """28: where both neighbors decide; and reviews, of which the last state has read all."""
    one, both = ([_accuracy(seed, is_both) for seed in range(SEEDS)] for is_both in (False, True))
    reviews = _reviews(bench)
    p = welch(*reviews)
    gains = [a - b for a, b in zip(*reviews, strict=True)]
    return Finding(
        f"LSTMs of equal parameters, one-way and bidirectional, 3 seeds: {STEPS} steps of saying at "
        "every step "
        "which of its two neighbors, of four digits, is larger; "
        f"{REVIEW_STEPS} steps of the sentiment of "
        "made-up reviews",
        (
            least("neighbors, both ways", both, 0.9, "accuracy"),
            most("neighbors, one way, at best .625", one, 0.7, "accuracy"),
            least("reviews: what both ways take off the loss", gains, 0.0, "nats", wider=True),
            Check("reviews: p of Welch's test", 1.0 if p is None else p, at_most=0.05, wider=True),
        ),
        Picture(
            "bars",
            (),
            {
                "one way": (statistics.fmean(one),),
                "both": (statistics.fmean(both),),
                "best one way": (0.625,),
            },
            y_label="accuracy",
        ),
        "a model that answers once has read everything by then, in either direction; on your data: `seqloom "
        "compare DATA --directions one,both`",
    )


def _accuracy(seed: int, is_both: bool) -> float:
    target = count_parameters(Neighbors(WIDTH, bidirectional=False))
    width = (
        nearest_width(lambda width: count_parameters(Neighbors(width, True)), target) if is_both else WIDTH
    )
    torch.manual_seed(seed)
    model = Neighbors(width, is_both)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        symbols = torch.randint(SYMBOLS, (LENGTH, ROWS), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(model(symbols).flatten(0, 1), _labels(symbols).flatten()).backward()
        optimizer.step()
    symbols = torch.randint(SYMBOLS, (LENGTH, 512), generator=torch.Generator().manual_seed(1000))
    with torch.no_grad():
        return float((model(symbols).argmax(-1) == _labels(symbols)).double().mean())


def _labels(symbols: Tensor) -> Tensor:
    return torch.maximum(symbols[:-2], symbols[2:])


def _reviews(bench: Bench) -> tuple[list[float], list[float]]:
    """Validation losses of one-way and of bidirectional LSTMs, by seed."""
    settings = {"training__learning_rate": 1e-2, "model__hidden_size": 24}
    first = bench.toy("classify", steps=0, **settings)
    losses = [
        [
            bench.toy(
                "classify",
                steps=REVIEW_STEPS,
                **{
                    **settings,
                    "model__hidden_size": variant.hidden_size,
                    "model__bidirectional": variant.direction == "both",
                    "training__seed": seed,
                },
            ).after
            for seed in range(SEEDS)
        ]
        for variant in choose_variants(first.job, ["lstm"], ["one", "both"], "parameters")
    ]
    return losses[0], losses[1]
