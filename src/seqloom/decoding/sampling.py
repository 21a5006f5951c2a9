"""Sampling by inverse transform: one uniform number per row and step, and the cumulative distribution.

A row's tokens must not depend on the other rows of its batch. So every row has its own random stream, and the
cumulative distribution is in the order of the vocabulary, in float64: where logits differ in their last bits
between batch sizes, another token is drawn only if the number falls into a gap of that width (about 1e-7 in
float32). If tokens were sorted by probability, near-equal ones would change places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import final

import torch
from torch import Tensor

from seqloom.decoding.logits import apply_temperature, filter_top_k, filter_top_p
from seqloom.decoding.options import DecodingOptions
from seqloom.errors import ConfigError

BLOCK = 64
"""Numbers that a row draws at once. Part of what a seed means: another block size gives other numbers."""


def sample_token(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Draw one token per row from softmax(logits).

    Args:
        logits: (B, V); -inf for tokens that cannot be drawn.
        uniforms: (B,) float64 in [0, 1), one per row.

    Returns:
        (B,) int64; V in rows without a valid token: all -inf, or any nan or +inf.

    Source: inverse transform sampling; Devroye, "Non-uniform random variate generation", 1986,
    chapter III.2.

    >>> logits = torch.tensor([[0.5, 0.0, 0.5]]).log().repeat(2, 1)
    >>> sample_token(logits, torch.tensor([0.49, 0.5], dtype=torch.float64))
    tensor([0, 2])
    """
    cumulative = logits.softmax(dim=-1, dtype=torch.float64).cumsum(dim=-1)
    # Scaled by the last sum, which is 1 up to rounding: so the number is always below it, a first greater
    # sum exists, and its token has a probability above 0. A row with nan has none, which gives V.
    target = uniforms.unsqueeze(-1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, target, right=True).squeeze(-1)


def select_filters(options: DecodingOptions) -> tuple[Callable[[Tensor], Tensor], ...]:
    """The logits filters that `options` switch on, in the order in which transformers applies them."""
    filters: list[Callable[[Tensor], Tensor]] = []
    if options.temperature != 1:
        filters.append(partial(apply_temperature, temperature=options.temperature))
    if options.top_k:
        filters.append(partial(filter_top_k, top_k=options.top_k))
    if options.top_p < 1:
        filters.append(partial(filter_top_p, top_p=options.top_p))
    return tuple(filters)


def _draw_block(generator: torch.Generator) -> Tensor:
    return torch.rand(BLOCK, generator=generator, dtype=torch.float64, device="cpu")


@final
class RandomStreams:
    """One independent stream of uniform random numbers per row of a batch.

    Args:
        seed: row r is seeded with `seed + r`, or with `seed[r]` where this is a tuple.
        batch_size: number of rows.
        device: device of the result. Numbers are drawn on the CPU, so that they are the same for any device.

    Raises:
        ConfigError: a tuple whose length is not the batch size.

    >>> both, second = RandomStreams(7, 2, "cpu"), RandomStreams(8, 1, "cpu")
    >>> bool(both.draw()[1] == second.draw()[0])
    True
    """

    def __init__(self, seed: int | tuple[int, ...], batch_size: int, device: torch.device | str) -> None:
        seeds = seed if isinstance(seed, tuple) else tuple((seed + row) % 2**32 for row in range(batch_size))
        if len(seeds) != batch_size:
            raise ConfigError(
                "DecodingOptions",
                f"seed must be an int, or have one seed for each of the {batch_size} rows",
                got=f"{len(seeds)} seeds",
            )
        self._generators = [torch.Generator("cpu").manual_seed(row_seed) for row_seed in seeds]
        self._device = device
        self._used = BLOCK
        self._block = torch.empty(batch_size, BLOCK, dtype=torch.float64, device=device)

    def draw(self) -> Tensor:
        """Draw the next number of every row: (B,) float64 in [0, 1)."""
        return self.draw_many(1)[:, 0]

    def draw_many(self, count: int) -> Tensor:
        """Draw the next `count` numbers of every row: (B, count) float64 in [0, 1)."""
        parts: list[Tensor] = []
        while count:
            if self._used == BLOCK:
                rows = [
                    torch.rand(BLOCK, generator=g, dtype=torch.float64, device="cpu")
                    for g in self._generators
                ]
                self._block = torch.stack(rows).to(self._device)
                self._used = 0
            size = min(count, BLOCK - self._used)
            parts.append(self._block[:, self._used : self._used + size])
            self._used, count = self._used + size, count - size
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def select(self, rows: Sequence[int]) -> None:
        """Select these rows; the others leave the batch."""
        self._generators = [self._generators[row] for row in rows]
        self._block = self._block[list(rows)]
