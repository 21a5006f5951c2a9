"""Many-to-one: a whole sequence is read, and its outputs are pooled to one vector, from which labels follow.

h_1 … h_T = recurrence(x_1 … x_T),   v = pool(h_1 … h_T),   logits = W v + b
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError, DataError
from seqloom.layers.masking import Lengths
from seqloom.layers.pooling import Pooling, PoolingKind
from seqloom.models.dropout import Dropouts, drop
from seqloom.models.language_model import LAYERS, CellType
from seqloom.models.word_embedding import WordEmbedding, WordEmbeddingConfig


class Recurrence(NamedTuple):
    """A stack of recurrent layers: which cell, how wide, how deep, and whether it also reads from the end."""

    cell_type: CellType = "gru"
    hidden_size: int = 128
    """Of a layer and direction"""
    num_layers: int = 1
    bidirectional: bool = True
    kernel: str = "auto"
    """`auto`, `reference`, `torch` or `native`"""


@final
class SequenceClassifier(nn.Module):
    """Predict labels of whole sequences, of token numbers or of numeric features.

    Args:
        label_count: K, labels there are.
        input_size: width of a word's vector; or F, the features of a step.
        recurrence: the recurrent layers.
        words: the words that are read; None: the input is numeric.
        pooling: how outputs become one vector: `last`, `mean`, `max`, `attention`, one or several.
        dropouts: where and how much is dropped in training.

    Raises:
        ConfigError: an argument out of its range.

    >>> import torch
    >>> words = WordEmbeddingConfig(10)
    >>> model = SequenceClassifier(2, input_size=8, recurrence=Recurrence("gru", 16), words=words)
    >>> model(torch.tensor([[1, 2, 3], [4, 5, 0]]), lengths=[3, 2]).shape
    torch.Size([2, 2])
    >>> model = SequenceClassifier(3, input_size=5, recurrence=Recurrence("lstm"))
    >>> model(torch.randn(2, 7, 5), lengths=[7, 4]).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        label_count: int,
        input_size: int,
        recurrence: Recurrence,
        words: WordEmbeddingConfig | None = None,
        pooling: Sequence[PoolingKind] = ("last",),
        dropouts: Dropouts = Dropouts(),
    ) -> None:
        super().__init__()
        cell_type, hidden_size, num_layers, bidirectional, kernel = recurrence
        sizes = {"label_count": label_count, "input_size": input_size, "num_layers": num_layers}
        for name, size in sizes.items():
            if size < 1:
                raise ConfigError("SequenceClassifier", f"{name} must be an int >= 1", got=size)
        if cell_type not in LAYERS:
            raise ConfigError(
                "SequenceClassifier", f"cell_type must be one of {', '.join(LAYERS)}", got=cell_type
            )
        self.input_size, self.dropouts = input_size, dropouts
        self.embedding = None if words is None else WordEmbedding(words, input_size)
        output_size = hidden_size * (1 + bidirectional)
        self.layers = nn.ModuleList(
            LAYERS[cell_type](
                output_size if above else input_size,
                hidden_size,
                bidirectional=bidirectional,
                weight_dropout=dropouts.weight,
                recurrent_dropout=dropouts.recurrent,
                kernel=kernel,
            )
            for above in range(num_layers)
        )
        self.pooling = Pooling(output_size, pooling, bidirectional)
        self.output = nn.Linear(self.pooling.output_size, label_count)
        nn.init.zeros_(self.output.bias)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.output.weight.device

    def forward(self, input: Tensor, lengths: Lengths = None) -> Tensor:
        """Read whole sequences.

        Args:
            input: words (B, T), with their parts (B, T, 1 + P); or features (B, T, F).
            lengths: (B,) integers, the real steps of each row; None: all. What lies beyond counts nothing.

        Returns:
            logits (B, K).

        Raises:
            DataError: a shape or a length that does not fit.
        """
        drops = self.dropouts if self.training else Dropouts()
        values = drop(self._vectors(input, drops), drops.input, drops.locked)
        for number, layer in enumerate(self.layers):
            if number:
                values = drop(values, drops.hidden, drops.locked)
            values, _ = layer(values, lengths=lengths)
        return self.output(drop(self.pooling(values, lengths).unsqueeze(0), drops.output, True)[0])

    def _vectors(self, input: Tensor, drops: Dropouts) -> Tensor:
        """(T, B, I), as the layers read."""
        if self.embedding is not None:
            return self.embedding(input.transpose(0, 1), drops.embedding)
        if input.dim() != 3 or input.shape[-1] != self.input_size:
            expected = f"input must be (B, T, {self.input_size}), features of each step"
            raise DataError("SequenceClassifier", expected, got=f"{tuple(input.shape)}")
        return input.transpose(0, 1).to(self.output.weight.dtype)
