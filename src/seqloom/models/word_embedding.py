r"""Vectors of words, and of the parts of words, so that a word that was never seen has a vector too.

.. math:: v(w) = E[w] + \frac{1}{|P(w)|} \sum_{p \in P(w)} E'[p]

where P(w) are the letter n-grams of w (Bojanowski et al., 2017, arXiv:1607.04606).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy
import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError, DataError
from seqloom.models.dropout import drop_words

DEVIATION = 0.1
"""Of the vectors before training: with torch's 1, what a rare word is taught shows for long beside what was
drawn for it."""


class WordEmbeddingConfig(NamedTuple):
    """The words that a model reads.

    Fields:
        vocabulary_size: V, words that have a number.
        unknown: the number of all other words.
        dropout: probability that in training a word is read as unknown, its parts staying known: so the model
            learns to do without any one word, and what to make of those that it never saw.
        subword_count: parts of words that have a number, from 1 on.
    """

    vocabulary_size: int
    unknown: int = 0
    dropout: float = 0.0
    subword_count: int = 0


@final
class WordEmbedding(nn.Module):
    """Numbers of words, and of their parts, to vectors.

    Args:
        words: which there are.
        size: E, width of a vector.

    Raises:
        ConfigError: an argument out of its range.

    >>> import torch
    >>> WordEmbedding(WordEmbeddingConfig(10), size=4)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 4])
    """

    def __init__(self, words: WordEmbeddingConfig, size: int) -> None:
        super().__init__()
        for name, number in {"vocabulary_size": words.vocabulary_size, "size": size}.items():
            if number < 1:
                raise ConfigError("WordEmbedding", f"{name} must be an int >= 1", got=number)
        if not 0 <= words.dropout < 1:
            raise ConfigError("WordEmbedding", "dropout must be in [0, 1)", got=words.dropout)
        self.unknown, self.dropout = words.unknown, words.dropout
        self.words = nn.Embedding(words.vocabulary_size, size)
        nn.init.normal_(self.words.weight, std=DEVIATION)
        self.parts = None
        if words.subword_count:
            self.parts = nn.EmbeddingBag(words.subword_count + 1, size, mode="mean", padding_idx=0)
            nn.init.normal_(self.parts.weight[1:], std=DEVIATION)

    @torch.no_grad()
    def load_pretrained(self, numbers: Sequence[int], vectors: numpy.ndarray) -> None:
        """Put pretrained vectors (N, E) in the place of those words' (N,); draw the others to fit them."""
        nn.init.normal_(self.words.weight, std=float(vectors.std()))
        self.words.weight[list(numbers)] = torch.from_numpy(vectors).to(self.words.weight)

    def forward(self, words: Tensor, whole_dropout: float = 0.0) -> Tensor:
        """Look up.

        Args:
            words: numbers (B, T), or (T, B); with parts (B, T, 1 + P): the word's own, and those of its
                parts, 0 for none.
            whole_dropout: probability that all that a word has of its own is dropped, wherever it stands.

        Returns:
            (B, T, E), or (T, B, E).

        Raises:
            DataError: another shape, or no whole numbers.
        """
        dims = 2 if self.parts is None else 3
        if words.dim() != dims or words.is_floating_point():
            expected = "(B, T) numbers of words" if dims == 2 else "(B, T, 1 + P) numbers of words and parts"
            raise DataError(
                "WordEmbedding", f"input must be {expected}", got=f"{words.dtype} {tuple(words.shape)}"
            )
        own = words if self.parts is None else words[..., 0]
        if self.training and self.dropout:
            own = own.masked_fill(torch.rand(own.shape, device=own.device) < self.dropout, self.unknown)
        vectors = nn.functional.embedding(own, drop_words(self.words.weight, whole_dropout))
        if self.parts is None:
            return vectors
        parts = self.parts(words[..., 1:].flatten(0, 1))
        return vectors + parts.view_as(vectors)
