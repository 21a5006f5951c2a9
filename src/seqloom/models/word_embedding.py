r"""Embeddings of words and their subwords, so that a word that training has not seen has a vector too.

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

EMBEDDING_DEVIATION = 0.1
"""Standard deviation of initial vectors. With torch's 1 the random start of a rare word outweighs for long
what it has learnt."""


class WordEmbeddingConfig(NamedTuple):
    """The words that a model reads.

    Fields:
        vocabulary_size: V, words in the vocabulary.
        unknown: the number of the unknown word.
        dropout: probability of reading a word as unknown in training, its subwords still known, so that the
            model learns to manage without any single word and to use the subwords of new ones.
        subword_count: number of subwords, which are numbered from 1 on.
    """

    vocabulary_size: int
    unknown: int = 0
    dropout: float = 0.0
    subword_count: int = 0


@final
class WordEmbedding(nn.Module):
    """Numbers of words and their subwords to vectors.

    Args:
        words: the vocabulary, and its dropout.
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
        nn.init.normal_(self.words.weight, std=EMBEDDING_DEVIATION)
        self.parts = None  # the name is a key of the weights that runs hold
        if words.subword_count:
            self.parts = nn.EmbeddingBag(words.subword_count + 1, size, mode="mean", padding_idx=0)
            nn.init.normal_(self.parts.weight[1:], std=EMBEDDING_DEVIATION)

    @torch.no_grad()
    def load_pretrained(self, numbers: Sequence[int], vectors: numpy.ndarray) -> None:
        """Set the vectors of words (N,) to `vectors` (N, E); draw the others with their deviation."""
        nn.init.normal_(self.words.weight, std=float(vectors.std()))
        self.words.weight[list(numbers)] = torch.from_numpy(vectors).to(self.words.weight)

    def forward(self, words: Tensor, whole_dropout: float = 0.0) -> Tensor:
        """Look up.

        Args:
            words: numbers (B, T), or (T, B); with subwords (B, T, 1 + P): the word's, then its subwords', 0
                for none.
            whole_dropout: probability of dropping a word's own vector, everywhere in the batch.

        Returns:
            (B, T, E), or (T, B, E).

        Raises:
            DataError: another shape, or numbers that are no integers.
        """
        dims = 2 if self.parts is None else 3
        if words.dim() != dims or words.is_floating_point():
            expected = (
                "(B, T) numbers of words" if dims == 2 else "(B, T, 1 + P) numbers of words and subwords"
            )
            raise DataError(
                "WordEmbedding", f"input must be {expected}", got=f"{words.dtype} {tuple(words.shape)}"
            )
        numbers = words if self.parts is None else words[..., 0]
        if self.training and self.dropout:
            numbers = numbers.masked_fill(
                torch.rand(numbers.shape, device=numbers.device) < self.dropout, self.unknown
            )
        vectors = nn.functional.embedding(numbers, drop_words(self.words.weight, whole_dropout))
        if self.parts is None:
            return vectors
        subwords = self.parts(words[..., 1:].flatten(0, 1))
        return vectors.add_(subwords.view_as(vectors))  # in place, which of a long text saves 100 MB
