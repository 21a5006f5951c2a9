r"""Direct connections from the last tokens to the logits: hashed n-gram features.

    \ell_{tv} = \sum_{k=1}^{K} D_{h(w_{t-k+1}, …, w_t),\, v}

A recurrent layer must learn in its weights what follows which few tokens; a table holds that at once, so that
the layer is left with what is further away. Both are trained together (Mikolov, Deoras, Povey, Burget and
Černocký 2011, Strategies for training large scale neural network language models: RNNME). Contexts share the
rows of the table by a hash, so that its size does not depend on how many there are.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.errors import ConfigError

MULTIPLIER = 0x2545F4914F6CDD1D
"""Of xorshift64* (Vigna 2016): odd, with well-mixed bits"""
MAX_WEIGHTS = 1 << 28
"""A gigabyte: a row has a weight for each token of the vocabulary"""


@final
class NGramFeatures(nn.Module):
    """A row of logits for each of the last 1 to K tokens, summed. They begin at zero.

    Its gradient is sparse: only rows that a batch used are changed.

    Args:
        vocabulary_size: V.
        max_context: K, tokens of the longest context.
        buckets: rows of the table, a power of two.

    Raises:
        ConfigError: an argument out of its range.

    >>> features = NGramFeatures(vocabulary_size=10, max_context=3, buckets=64)
    >>> logits, history = features(torch.tensor([[1], [2]]))  # two steps of one row
    >>> logits.shape, history.shape
    (torch.Size([2, 1, 10]), torch.Size([2, 1]))
    """

    def __init__(self, vocabulary_size: int, max_context: int, buckets: int) -> None:
        super().__init__()
        sizes = {"vocabulary_size": vocabulary_size, "max_context": max_context, "buckets": buckets}
        for name, size in sizes.items():
            check_size("NGramFeatures", name, size)
        if buckets & (buckets - 1):
            raise ConfigError("NGramFeatures", "buckets must be a power of two", got=buckets)
        if vocabulary_size * buckets > MAX_WEIGHTS:
            expected = f"vocabulary_size * buckets must be at most {MAX_WEIGHTS:,}"
            hint = "Fewer buckets, or a smaller unit: n-gram features are for characters and bytes"
            got = f"{vocabulary_size:,} * {buckets:,}"
            raise ConfigError("NGramFeatures", expected, got=got, hint=hint)
        self.vocabulary_size, self.max_context, self.buckets = vocabulary_size, max_context, buckets
        self.table = nn.EmbeddingBag(buckets, vocabulary_size, mode="sum", sparse=True)
        nn.init.zeros_(self.table.weight)

    def initial_history(self, batch_size: int) -> Tensor:
        """What is before the first token, (K - 1, B): a number that no token has."""
        shape = self.max_context - 1, batch_size
        return torch.full(shape, self.vocabulary_size, device=self.table.weight.device)

    def forward(self, tokens: Tensor, history: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The logits that n-grams add, and the tokens to go on from.

        Args:
            tokens: (T, B).
            history: (K - 1, B), the tokens before them; None: there are none.

        Returns:
            (T, B, V), and the last K - 1 tokens.
        """
        steps, batch = tokens.shape
        history = self.initial_history(batch) if history is None else history
        extended = torch.cat([history, tokens])
        rows = self._rows(extended, steps).view(steps * batch, self.max_context)
        return self.table(rows).view(steps, batch, self.vocabulary_size), extended[steps:]

    def _rows(self, tokens: Tensor, steps: int) -> Tensor:
        """The row of each context that ends at the last `steps` of `tokens`: (steps, B, K)."""
        hashes, rows = torch.zeros_like(tokens[:steps]), []
        for k in range(self.max_context):
            first = self.max_context - 1 - k
            hashes = (hashes ^ (tokens[first : first + steps] + 1)) * MULTIPLIER  # int64, modulo 2^64
            hashes = hashes ^ (hashes >> 29)
            rows.append((hashes ^ (hashes >> 32)) & (self.buckets - 1))
        return torch.stack(rows, -1)
