"""What each row has said so far, kept for the filters that look back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, final

import torch
from torch import Tensor

from seqloom.decoding.logits import ban_repeated_ngrams, penalize_repetition
from seqloom.decoding.options import DecodingOptions
from seqloom.errors import DataError

Previous: TypeAlias = "Tensor | Sequence[Sequence[int]] | None"
"""The tokens before decoding: (B, T) int64, or one sequence per row. Numbers below 0 are padding."""


@final
class History:
    """The tokens of every row, and the two filters that need them.

    Args:
        options: says which of the filters is on.
        previous: see `Previous`.
        logits: (B, V), for its shape and device.

    Raises:
        DataError: not one sequence per row, or a token that is not in the vocabulary.
    """

    def __init__(self, options: DecodingOptions, previous: Previous, logits: Tensor) -> None:
        batch_size, vocabulary_size = logits.shape
        given = previous.tolist() if isinstance(previous, Tensor) else previous
        rows = [[]] * batch_size if given is None else [[int(t) for t in row if t >= 0] for row in given]
        if len(rows) != batch_size:
            raise DataError(
                "decoding", f"previous must have {batch_size} rows, as logits has", got=f"{len(rows)}"
            )
        greatest = max((max(row, default=0) for row in rows), default=0)
        if greatest >= vocabulary_size:
            raise DataError(
                "decoding",
                f"previous must have token numbers below {vocabulary_size}, as logits has",
                got=greatest,
            )
        self._options = options
        self._previous = rows
        self.produced: list[list[int]] = [[] for _ in rows]
        self._seen: Tensor | None = None
        if options.repetition_penalty != 1:
            self._seen = torch.zeros_like(logits, dtype=torch.bool)
            for row, tokens in enumerate(rows):
                self._seen[row, tokens] = True

    def penalize(self, logits: Tensor) -> Tensor:
        """Apply `repetition_penalty`, if on."""
        if self._seen is None:
            return logits
        return penalize_repetition(logits, self._seen, self._options.repetition_penalty)

    def ban(self, logits: Tensor) -> Tensor:
        """Apply `no_repeat_ngram_size`, if on."""
        if not self._options.no_repeat_ngram_size:
            return logits
        whole = [before + after for before, after in zip(self._previous, self.produced, strict=True)]
        return ban_repeated_ngrams(logits, whole, self._options.no_repeat_ngram_size)

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order, repeats allowed."""
        self._previous = [self._previous[row] for row in rows]
        self.produced = [list(self.produced[row]) for row in rows]
        if self._seen is not None:
            self._seen = self._seen[list(rows)]

    def append(self, tokens: Sequence[int]) -> None:
        """Add one token to every row."""
        for row, token in zip(self.produced, tokens, strict=True):
            row.append(token)
        if self._seen is not None:
            column = torch.tensor(tokens, dtype=torch.int64, device=self._seen.device)
            self._seen.scatter_(1, column.unsqueeze(1), True)


def needs_history(options: DecodingOptions) -> bool:
    """Whether a filter or a stop looks further back than the last token."""
    return bool(options.repetition_penalty != 1 or options.no_repeat_ngram_size or options.stop_sequences)
