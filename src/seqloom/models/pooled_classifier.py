"""One-to-one: features of the places of a picture, pooled to one vector, give its labels.

x = front(picture),   v = pool(x_1 … x_K),   logits = W v + b
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.layers.masking import Lengths
from seqloom.layers.pooling import Pooling, PoolingKind
from seqloom.models.dropout import drop


@final
class PooledClassifier(nn.Module):
    """Predict labels of pictures.

    Args:
        label_count: K, number of labels.
        front: from pictures (B, …) to features of places (B, P, C).
        width: C, features of a place.
        pooling: how they become one vector: `mean`, `max`, `attention`; several are concatenated.
        dropout: of the pooled vector.

    >>> model = PooledClassifier(3, lambda pictures, lengths: pictures, width=8, pooling=["max", "mean"])
    >>> model(torch.zeros(2, 49, 8)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        label_count: int,
        front: nn.Module,
        width: int,
        pooling: Sequence[PoolingKind] = ("max", "mean"),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, size in {"label_count": label_count, "width": width}.items():
            check_size("PooledClassifier", name, size)
        self.front, self.dropout = front, dropout
        self.pooling = Pooling(width, pooling, batch_first=True)
        self.output = nn.Linear(self.pooling.output_size, label_count)
        nn.init.zeros_(self.output.bias)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.output.weight.device

    def forward(self, input: Tensor, lengths: Lengths = None) -> Tensor:
        """Logits (B, K) of pictures as the front reads them; all places of a picture count."""
        pooled = self.pooling(self.front(input, lengths))
        if self.training:
            pooled = drop(pooled.unsqueeze(0), self.dropout, locked=True)[0]
        return self.output(pooled)
