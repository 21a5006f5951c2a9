"""Sampling: one uniform number per row and step, and the inverse of the cumulative distribution.

A row's tokens must not depend on who shares its batch. So every row has its own random stream, and
its number meets the probabilities in the order of the vocabulary, in float64: where logits differ in
their last bits between batch sizes, the choice changes only if the number falls into a gap of that
width (about 1e-7 in float32). An order by probability would swap near-equal tokens.
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

# One call per row and block, not per row and step. Part of the definition of a stream: batch sizes
# may not change it.
BLOCK = 64


def sample_token(logits: Tensor, uniforms: Tensor) -> Tensor:
    """One token per row, drawn from softmax(logits).

    Args:
        logits: (B, V); -inf for tokens that cannot be drawn.
        uniforms: (B,) float64 in [0, 1), one per row.

    Returns:
        (B,) int64; V where a row has nothing to choose: all -inf, or any nan or +inf.

    Source: inverse transform sampling; Devroye, "Non-uniform random variate generation", 1986,
    chapter III.2.

    >>> logits = torch.tensor([[0.5, 0.0, 0.5]]).log().repeat(2, 1)
    >>> sample_token(logits, torch.tensor([0.49, 0.5], dtype=torch.float64))
    tensor([0, 2])
    """
    cumulative = logits.softmax(dim=-1, dtype=torch.float64).cumsum(dim=-1)
    # Scaled by the last sum, which is 1 only up to rounding: so the number is always below it, the
    # first greater sum exists, and the token there has a probability above 0. nan finds none: V.
    target = uniforms.unsqueeze(-1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, target, right=True).squeeze(-1)


def select_filters(options: DecodingOptions) -> tuple[Callable[[Tensor], Tensor], ...]:
    """The filters of a distribution that `options` asks for, in transformers' order; those off are absent."""
    found: list[Callable[[Tensor], Tensor]] = []
    if options.temperature != 1:
        found.append(partial(apply_temperature, temperature=options.temperature))
    if options.top_k:
        found.append(partial(filter_top_k, top_k=options.top_k))
    if options.top_p < 1:
        found.append(partial(filter_top_p, top_p=options.top_p))
    return tuple(found)


@final
class RandomStreams:
    """One stream of uniform numbers per row of a batch, none of which depends on the others.

    Args:
        seed: row r has seed + r, or seed[r] of a tuple.
        batch_size: rows.
        device: where the numbers go. They are drawn on the CPU, so that every device has the same.

    Raises:
        ConfigError: a tuple that has not one seed per row.

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
        self._generators = [torch.Generator().manual_seed(each) for each in seeds]
        self._device = device
        self._used = BLOCK
        self._block = torch.empty(batch_size, BLOCK, dtype=torch.float64)

    def draw(self) -> Tensor:
        """The next number of every row: (rows,) float64 in [0, 1)."""
        return self.take(1)[:, 0]

    def take(self, count: int) -> Tensor:
        """The next `count` numbers of every row: (rows, count)."""
        parts: list[Tensor] = []
        while count:
            if self._used == BLOCK:
                drawn = [torch.rand(BLOCK, generator=each, dtype=torch.float64) for each in self._generators]
                self._block = torch.stack(drawn).to(self._device)
                self._used = 0
            taken = min(count, BLOCK - self._used)
            parts.append(self._block[:, self._used : self._used + taken])
            self._used, count = self._used + taken, count - taken
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def select(self, rows: Sequence[int]) -> None:
        """Keep only these rows."""
        self._generators = [self._generators[row] for row in rows]
        self._block = self._block[list(rows)]
