"""Pictures of the cache, read when a batch needs them, as what a model reads of them."""

from __future__ import annotations

from typing import Any, final

import numpy
from torch import Tensor

from seqloom.data.images.config import ImageAs
from seqloom.data.images.feature_cache import FeatureCache


def arrange(values: numpy.ndarray, read_as: ImageAs) -> numpy.ndarray:
    """Features (K, C') or pixels (C, H, W) as they are, or pixels as a sequence.

    Args:
        values: of one picture.
        read_as: `map`: as they are; `rows`: (H, W C), a row of pixels at a step; `pixels`: (H W, C).

    >>> [arrange(numpy.zeros((3, 28, 20)), read_as).shape for read_as in ("map", "rows", "pixels")]
    [(3, 28, 20), (28, 60), (560, 3)]
    """
    if read_as == "map":
        return values
    steps = values.transpose(1, 2, 0)
    return steps.reshape(len(steps), -1) if read_as == "rows" else steps.reshape(-1, steps.shape[-1])


def channels_last_to_first(values: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Sequences of pixels (B, T, F) as pictures (B, C, H, W) of `shape`."""
    C, H, W = shape
    return values.reshape(-1, H, W, C).movedim(-1, 1)


@final
class StoredPicture:
    """A picture of the cache, which numpy reads when it makes a batch: in memory it is some hundred bytes.

    Args:
        cache: where it is.
        number: by which the cache knows it.
        read_as: see `arrange`.
    """

    __slots__ = ("_cache", "_number", "_read_as")

    def __init__(self, cache: FeatureCache, number: int, read_as: ImageAs) -> None:
        self._cache, self._number, self._read_as = cache, number, read_as

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is read."""
        stored = self._cache.extractor.shape
        if self._read_as == "map":
            return stored
        C, H, W = stored
        return (H, W * C) if self._read_as == "rows" else (H * W, C)

    @property
    def dtype(self) -> numpy.dtype[Any]:
        """Of what is read."""
        return numpy.dtype(self._cache.extractor.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"StoredPicture({self._cache.identity(self._number)}, {self.shape})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> numpy.ndarray:
        """What is read of it."""
        values = arrange(self.pixels(), self._read_as)
        return values if dtype is None else values.astype(dtype)

    def pixels(self) -> numpy.ndarray:
        """What is stored of it: pixels (C, H, W), or features."""
        return self._cache.rows([self._number])[0]
