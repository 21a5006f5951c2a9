"""Many-to-one: the outputs of recurrent layers over a whole sequence, pooled to one vector, give its labels.

h_1 … h_T = recurrence(x_1 … x_T),   v = pool(h_1 … h_T),   logits = W v + b
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.errors import DataError
from seqloom.layers.masking import Lengths
from seqloom.layers.pooling import Pooling, PoolingKind
from seqloom.models.dropout import drop
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack
from seqloom.models.word_embedding import WordEmbedding, WordEmbeddingConfig


@final
class SequenceClassifier(nn.Module):
    """Predict labels of whole sequences, of token numbers or of numeric features.

    Args:
        label_count: K, number of labels.
        input_size: width of a word's vector; or F, features of a step.
        recurrent: the recurrent layers.
        words: the words of the input; None: the input is numeric.
        pooling: how outputs become one vector: `last`, `mean`, `max`, `attention`; several are concatenated.
        front: from steps (B, T, …) and lengths (B,) to features (B, T, F); None: steps are features or words.

    Raises:
        ConfigError: an argument out of its range.

    >>> import torch
    >>> words = WordEmbeddingConfig(10)
    >>> model = SequenceClassifier(2, input_size=8, recurrent=RecurrentConfig("gru", 16), words=words)
    >>> model(torch.tensor([[1, 2, 3], [4, 5, 0]]), lengths=[3, 2]).shape
    torch.Size([2, 2])
    >>> model = SequenceClassifier(3, input_size=5, recurrent=RecurrentConfig("lstm", 16))
    >>> model(torch.randn(2, 7, 5), lengths=[7, 4]).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        label_count: int,
        input_size: int,
        recurrent: RecurrentConfig,
        words: WordEmbeddingConfig | None = None,
        pooling: Sequence[PoolingKind] = ("last",),
        front: nn.Module | None = None,
    ) -> None:
        super().__init__()
        for name, size in {"label_count": label_count, "input_size": input_size}.items():
            check_size("SequenceClassifier", name, size)
        self.input_size, self.dropouts = input_size, recurrent.dropouts
        self.embedding = None if words is None else WordEmbedding(words, input_size)
        self.front = front
        self.layers = RecurrentStack(input_size, recurrent.without_output_dropout())
        self.pooling = Pooling(self.layers.output_size, pooling, recurrent.bidirectional)
        self.output = nn.Linear(self.pooling.output_size, label_count)
        nn.init.zeros_(self.output.bias)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.output.weight.device

    def forward(self, input: Tensor, lengths: Lengths = None) -> Tensor:
        """Read whole sequences.

        Args:
            input: words (B, T), with their parts (B, T, 1 + P); features (B, T, F); or what the front reads.
            lengths: (B,) integers, the valid steps of each row; None: all of them. The others are ignored.

        Returns:
            logits (B, K).

        Raises:
            DataError: a shape or a length that does not fit.
        """
        h, _ = self.layers(self._vectors(input, lengths), lengths=lengths)
        pooled = self.pooling(h, lengths)
        if self.training:
            pooled = drop(pooled.unsqueeze(0), self.dropouts.output, locked=True)[0]
        return self.output(pooled)

    def _vectors(self, input: Tensor, lengths: Lengths) -> Tensor:
        """(T, B, I), as the layers read."""
        if self.front is not None:
            return self.front(input, lengths).transpose(0, 1)
        if self.embedding is not None:
            return self.embedding(input.transpose(0, 1), self.dropouts.embedding if self.training else 0.0)
        if input.dim() != 3 or input.shape[-1] != self.input_size:
            expected = f"input must be (B, T, {self.input_size}), features of each step"
            raise DataError("SequenceClassifier", expected, got=f"{tuple(input.shape)}")
        return input.transpose(0, 1).to(self.output.weight.dtype)
