"""The tokens of every row so far, for repetition penalty, n-gram bans and stop sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, final

import torch
from torch import Tensor

from seqloom.decoding.logits import ban_repeated_ngrams, penalize_repetition
from seqloom.decoding.options import DecodingOptions
from seqloom.errors import DataError

PreviousTokens: TypeAlias = "Tensor | Sequence[Sequence[int]] | None"
"""The tokens of the prompts: (B, T) int64, or one sequence per row. Negative numbers are padding."""


@final
class History:
    """The tokens of every row, and the two logits filters that depend on them.

    Args:
        options: `repetition_penalty` and `no_repeat_ngram_size` switch the filters on.
        previous: see `PreviousTokens`.
        logits: (B, V), for its shape and device.

    Raises:
        DataError: `previous` has another number of rows, or a token outside the vocabulary.
    """

    def __init__(self, options: DecodingOptions, previous: PreviousTokens, logits: Tensor) -> None:
        batch_size, vocabulary_size = logits.shape
        lists = previous.tolist() if isinstance(previous, Tensor) else previous
        rows = [[]] * batch_size if lists is None else [[int(t) for t in row if t >= 0] for row in lists]
        if len(rows) != batch_size:
            raise DataError(
                "decoding", f"previous must have {batch_size} rows, as many as logits", got=len(rows)
            )
        max_token = max((max(row, default=0) for row in rows), default=0)
        if max_token >= vocabulary_size:
            raise DataError(
                "decoding",
                f"previous must have token ids below {vocabulary_size}, the size of the vocabulary",
                got=max_token,
            )
        self._options = options
        self._previous = rows
        self.generated: list[list[int]] = [[] for _ in rows]
        self._seen: Tensor | None = None
        if options.repetition_penalty != 1:
            self._seen = torch.zeros_like(logits, dtype=torch.bool)
            for row, tokens in enumerate(rows):
                self._seen[row, tokens] = True

    def penalize(self, logits: Tensor) -> Tensor:
        """Apply `repetition_penalty` to logits (B, V), if it is on."""
        if self._seen is None:
            return logits
        return penalize_repetition(logits, self._seen, self._options.repetition_penalty)

    def ban(self, logits: Tensor) -> Tensor:
        """Apply `no_repeat_ngram_size` to logits (B, V), if it is on."""
        if not self._options.no_repeat_ngram_size:
            return logits
        tokens = [
            prompt + generated for prompt, generated in zip(self._previous, self.generated, strict=True)
        ]
        return ban_repeated_ngrams(logits, tokens, self._options.no_repeat_ngram_size)

    def select(self, rows: Sequence[int]) -> None:
        """Select these rows, in this order; a row may be repeated."""
        self._previous = [self._previous[row] for row in rows]
        self.generated = [list(self.generated[row]) for row in rows]
        if self._seen is not None:
            self._seen = self._seen[list(rows)]

    def append(self, tokens: Sequence[int]) -> None:
        """Append one token to every row."""
        for row, token in zip(self.generated, tokens, strict=True):
            row.append(token)
        if self._seen is not None:
            column = torch.tensor(tokens, dtype=torch.int64, device=self._seen.device)
            self._seen.scatter_(1, column.unsqueeze(1), True)


def needs_history(options: DecodingOptions) -> bool:
    """Whether a filter or a stop sequence depends on more than the last token."""
    return bool(options.repetition_penalty != 1 or options.no_repeat_ngram_size or options.stop_sequences)
