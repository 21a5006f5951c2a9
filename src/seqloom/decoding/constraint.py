"""A constraint: what may follow in each row, as a grammar says it. It is all that decoding knows of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Constraint(Protocol):
    """Which token may come next in each row of a batch, and what has come so far."""

    def apply(self, logits: Tensor) -> Tensor:
        """Ban tokens that may not come next.

        Args:
            logits: (B, V), those of the model.

        Returns:
            (B, V), -inf for banned tokens. A row that is banned altogether ends.
        """
        ...

    def advance(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Keep these rows of the batch, in this order; then one token comes in each of them."""
        ...
