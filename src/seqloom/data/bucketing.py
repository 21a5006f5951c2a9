"""Batches of sequences of different lengths: near lengths share a batch, so that little is padded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, final

import numpy
import torch
from torch import Tensor

from seqloom.data.batching import Batch, Batching

T = TypeVar("T")
R = TypeVar("R")

NEAR = 1.06
"""Lengths within this factor count as one, so that sequences that differ little meet in changing company."""
BATCH_SIZE = 64
"""Items at a time where nothing is learnt; what comes out does not depend on it."""


def pad(arrays: Sequence[numpy.ndarray], value: float = 0) -> Tensor:
    """Arrays (T_b, ...) side by side, filled up with `value`: (B, T, ...) of their type.

    >>> pad([numpy.array([1, 2]), numpy.array([3])])
    tensor([[1, 2],
            [3, 0]])
    """
    longest = max(len(array) for array in arrays)
    filled = numpy.full((len(arrays), longest, *arrays[0].shape[1:]), value, dtype=arrays[0].dtype)
    for row, array in zip(filled, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(filled)


def lengths_of(arrays: Sequence[numpy.ndarray]) -> Tensor:
    """(B,) int64."""
    return torch.tensor([len(array) for array in arrays])


@final
class Buckets(Generic[T]):
    """Batches of items of near length: an epoch reads each item once.

    In every epoch the items are sorted by length, to within 6 %; ties and the order of the batches are drawn
    from the seed. So a batch holds near lengths, and which items meet in it changes. How many batches there
    are may differ by a few from epoch to epoch where `batch_units` cuts them; `len` is that of the first.

    Args:
        items: what a batch is made of: arrays, texts, numbers, or tuples of such.
        lengths: steps of each item; where it has two sequences, a pair, the first deciding first.
        collate: makes a batch of some items.
        batching: how many share a batch. With `batch_units` as many as have so many steps at most, padding
            included; one at least.
        skipped: what was wrong with the examples that are left out.
    """

    carries_state = False

    def __init__(
        self,
        items: Sequence[T],
        lengths: Sequence[int] | Sequence[tuple[int, ...]],
        collate: Callable[[list[T]], Batch],
        batching: Batching,
        skipped: tuple[str, ...] = (),
    ) -> None:
        self.skipped = skipped
        self._items, self._collate, self._batching = items, collate, batching
        self._lengths = numpy.array(lengths, dtype=numpy.int64).reshape(len(items), -1)
        self._count = len(self._cut(self._sorted(epoch=0)))
        self.digest = digest_of(items)

    def __len__(self) -> int:
        return self._count

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of `epoch`, from number `first` on; of each this process's rows."""
        shard = self._batching.shard
        cut = self._cut(self._sorted(epoch))
        if self._batching.training:
            order = numpy.random.default_rng([self._batching.seed, epoch, 1]).permutation(len(cut))
            cut = [cut[number] for number in order]
        for rows in cut[first:]:
            mine = rows[shard.rank :: shard.world]
            yield self._collate([self._items[row] for row in mine])

    def padding(self, epoch: int = 0) -> float:
        """Steps of an epoch, padding included, over the sum of the real lengths: 1 is no padding at all."""
        cut = self._cut(self._sorted(epoch))
        padded = sum(len(rows) * self._lengths[rows].max(0) for rows in cut)
        return float((padded / self._lengths.sum(0).clip(min=1)).max())

    def _sorted(self, epoch: int) -> numpy.ndarray:
        """Numbers of the items by falling length."""
        ties = numpy.arange(len(self._items))
        if self._batching.training:
            ties = numpy.random.default_rng([self._batching.seed, epoch, 0]).permutation(len(self._items))
        near = numpy.floor(numpy.log(numpy.maximum(self._lengths, 1)) / numpy.log(NEAR))
        return numpy.lexsort((ties, *(-column for column in near.T[::-1])))

    def _cut(self, order: numpy.ndarray) -> list[numpy.ndarray]:
        """Cut into batches, none with fewer rows than there are processes."""
        units, size = self._batching.batch_units, self._batching.batch_size
        world = self._batching.shard.world
        longest = numpy.maximum(self._lengths.max(1), 1)[order]
        starts = [0]
        widest = 0
        for place, steps in enumerate(longest):
            rows = place - starts[-1]
            widest = max(widest, int(steps))
            full = rows == size if units is None else (rows + 1) * widest > units
            if full and rows >= world:
                starts.append(place)
                widest = int(steps)
        if len(order) - starts[-1] < world and len(starts) > 1:
            starts.pop()
        return numpy.split(order, starts[1:])


def digest_of(items: Any) -> str:
    """Of nested sequences of arrays, texts and numbers."""
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, numpy.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(numpy.ascontiguousarray(value).data)
        elif isinstance(value, (tuple, list)):
            digest.update(f"({len(value)}".encode())
            for part in value:
                add(part)
        else:
            digest.update(f"{type(value).__name__}:{value!r};".encode())

    add(items)
    return digest.hexdigest()


def map_by_length(
    items: Sequence[T],
    lengths: Sequence[int],
    run: Callable[[list[T]], Sequence[R]],
    batch_size: int = BATCH_SIZE,
) -> list[R]:
    """Run `run` over items of near length, some at a time; its results in the order of the items.

    >>> upper = lambda some: [text.upper() for text in some]
    >>> map_by_length(["ccc", "a", "bb"], [3, 1, 2], upper, batch_size=2)
    ['CCC', 'A', 'BB']
    """
    order = numpy.argsort(numpy.asarray(lengths, dtype=numpy.int64), kind="stable")
    found: list[Any] = [None] * len(items)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        for row, result in zip(rows, run([items[row] for row in rows]), strict=True):
            found[row] = result
    return found
