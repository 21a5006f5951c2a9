r"""Attention: for every query a weighted mean of the memory.

.. math::

    e_{ts} &= \mathrm{score}(q_t, m_s) \\
    a_{ts} &= \frac{\exp e_{ts}}{\sum_{s'} \exp e_{ts'}} \\
    c_t &= \sum_s a_{ts} m_s

with one of three scores:

.. math::

    \text{additive:} \quad & v^\top \tanh(W_q q_t + W_m m_s + b) \\
    \text{multiplicative:} \quad & q_t^\top W m_s \\
    \text{dot:} \quad & q_t^\top m_s

Additive: Bahdanau, Cho and Bengio, 2015, arXiv:1409.0473. The other two: Luong, Pham and Manning, 2015,
arXiv:1508.04025, who call the second `general`. What a score needs of the memory alone is computed once, in
`remember`, for any number of queries.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, final

import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError, DataError
from seqloom.layers.masking import valid_mask

Score: TypeAlias = Literal["additive", "multiplicative", "dot"]

SCORES = ("additive", "multiplicative", "dot")


class Memory(NamedTuple):
    """The sequence that queries attend to.

    Fields:
        values: m, (B, S, M).
        keys: the part of the score that depends on m alone: W_m m + b (B, S, A), W m (B, S, Q), or m itself.
        padding: (B, S) bool, true beyond a row's length.
    """

    values: Tensor
    keys: Tensor
    padding: Tensor

    def rows(self, index: Tensor) -> Memory:
        """The rows `index` (n,), in that order, repeats allowed."""
        return Memory(*(part.index_select(0, index) for part in self))


@final
class Attention(nn.Module):
    """Attention weights over a memory, and the weighted mean of its values.

    Padding has weight exactly 0; a row of length 0 has context 0.

    Args:
        score: `additive`, `multiplicative` or `dot`.
        query_size: Q, features of a query.
        memory_size: M, features of a step of the memory.
        size: A, units of the additive score; None: Q. The other scores have no such size.

    Raises:
        ConfigError: another score; a size below 1; for `dot` two sizes that differ; `size` for a score that
            has none.

    >>> attention = Attention("additive", query_size=4, memory_size=6)
    >>> memory = attention.remember(torch.randn(2, 5, 6), torch.tensor([5, 3]))
    >>> context, weights = attention(torch.randn(2, 7, 4), memory)
    >>> context.shape, weights.shape, bool((weights[1, :, 3:] == 0).all())
    (torch.Size([2, 7, 6]), torch.Size([2, 7, 5]), True)
    """

    def __init__(self, score: Score, query_size: int, memory_size: int, size: int | None = None) -> None:
        super().__init__()
        if score not in SCORES:
            raise ConfigError("Attention", f"score must be one of {', '.join(SCORES)}", got=score)
        if size is not None and score != "additive":
            raise ConfigError("Attention", "size is for the additive score only", got=size)
        size = query_size if size is None else size
        for name, value in {"query_size": query_size, "memory_size": memory_size, "size": size}.items():
            if value < 1:
                raise ConfigError("Attention", f"{name} must be an int >= 1", got=value)
        if score == "dot" and query_size != memory_size:
            raise ConfigError(
                "Attention",
                "query_size and memory_size must be the same for the dot score",
                got=f"{query_size} and {memory_size}",
                hint="Use multiplicative, which has a matrix between them",
            )
        self.score: Score = score
        if score == "additive":
            self.query = nn.Linear(query_size, size, bias=False)  # W_q
            self.key = nn.Linear(memory_size, size)  # W_m, b
            self.vector = nn.Linear(size, 1, bias=False)  # v
        elif score == "multiplicative":
            self.key = nn.Linear(memory_size, query_size, bias=False)  # W

    def remember(self, values: Tensor, lengths: Tensor | None = None) -> Memory:
        """Prepare a memory.

        Args:
            values: (B, S, M).
            lengths: (B,) integers, the valid steps of each row, 0 allowed; None: all.

        Raises:
            DataError: lengths of another shape.
        """
        B, S = values.shape[:2]
        if lengths is None:
            lengths = torch.full((B,), S, device=values.device)
        elif lengths.shape != (B,):
            raise DataError(
                "Attention", f"lengths must be {B}, one for each row", got=f"{tuple(lengths.shape)}"
            )
        padding = ~valid_mask(lengths.to(values.device), S)
        return Memory(values, values if self.score == "dot" else self.key(values), padding)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The context of every query.

        Args:
            query: (B, T, Q).
            memory: as `remember` returns it, of the same rows.

        Returns:
            The context (B, T, M), and the weights (B, T, S), which sum to 1 for each query.
        """
        if self.score == "additive":
            summed = self.query(query).unsqueeze(2) + memory.keys.unsqueeze(1)  # (B, T, S, A)
            scores = self.vector(torch.tanh(summed)).squeeze(3)
        else:
            scores = query @ memory.keys.mT
        padding = memory.padding.unsqueeze(1)
        # The lowest finite number, not -inf, whose softmax over a whole row is NaN.
        scores = scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores
        lowest = torch.finfo(scores.dtype).min
        weights = scores.masked_fill(padding, lowest).softmax(-1).masked_fill(padding, 0)
        return weights.to(memory.values.dtype) @ memory.values, weights
