"""Length bucketing: sequences of similar length share a batch, so that little is padded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, final

import numpy

from seqloom.data.batching import Batch, Batching

T = TypeVar("T")
R = TypeVar("R")

BUCKET_RATIO = 1.06
"""Lengths in one bucket differ by up to this ratio; their order is random, so that batches vary by epoch."""
BATCH_SIZE = 64
"""Batch size for evaluation and prediction. Results do not depend on it."""


@final
class Buckets(Generic[T]):
    """Batches of items of similar length; an epoch has every item once.

    In every epoch the items are sorted by length, in buckets 6 % wide; the order within a bucket and the
    order of the batches are drawn from the seed. Where `batch_units` limits batches, their number may differ
    by a few from epoch to epoch; `len` is that of epoch 0.

    Args:
        items: what `collate` takes: arrays, texts, numbers, or tuples of them.
        lengths: steps of every item; for items of two sequences a pair, sorted by its first length first.
        collate: makes a batch from a list of items, as torch's `collate_fn`.
        batching: the size of batches. With `batch_units`, as many items as have no more steps than that,
            padding included, but at least one item.
        skipped: one message for every example that was skipped.
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
        self._num_batches = len(self._divide(self._sort_by_length(epoch=0)))
        self.digest = compute_digest(items)

    def __len__(self) -> int:
        return self._num_batches

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch` from number `first` on, with the rows of this process."""
        shard = self._batching.shard
        batches = self._divide(self._sort_by_length(epoch))
        if self._batching.training:
            order = numpy.random.default_rng([self._batching.seed, epoch, 1]).permutation(len(batches))
            batches = [batches[number] for number in order]
        for rows in batches[first:]:
            own_rows = rows[shard.rank :: shard.world_size]
            yield self._collate([self._items[row] for row in own_rows])

    def padding_ratio(self, epoch: int = 0) -> float:
        """Steps of an epoch with padding, divided by the steps without: 1 is no padding at all."""
        batches = self._divide(self._sort_by_length(epoch))
        padded = sum(len(rows) * self._lengths[rows].max(0) for rows in batches)
        return float((padded / self._lengths.sum(0).clip(min=1)).max())

    def _sort_by_length(self, epoch: int) -> numpy.ndarray:
        """Indices of the items by falling length, in random order within a bucket."""
        ties = numpy.arange(len(self._items))
        if self._batching.training:
            ties = numpy.random.default_rng([self._batching.seed, epoch, 0]).permutation(len(self._items))
        buckets = numpy.floor(numpy.log(numpy.maximum(self._lengths, 1)) / numpy.log(BUCKET_RATIO))
        return numpy.lexsort((ties, *(-column for column in buckets.T[::-1])))

    def _divide(self, order: numpy.ndarray) -> list[numpy.ndarray]:
        """Divide sorted items into batches, none with fewer rows than there are processes."""
        max_units, size = self._batching.batch_units, self._batching.batch_size
        world_size = self._batching.shard.world_size
        lengths = numpy.maximum(self._lengths.max(1), 1)[order]
        starts = [0]
        longest = 0
        for index, length in enumerate(lengths):
            num_rows = index - starts[-1]
            longest = max(longest, int(length))
            is_full = num_rows == size if max_units is None else (num_rows + 1) * longest > max_units
            if is_full and num_rows >= world_size:
                starts.append(index)
                longest = int(length)
        if len(order) - starts[-1] < world_size and len(starts) > 1:
            starts.pop()
        return numpy.split(order, starts[1:])


def compute_digest(items: Any) -> str:
    """Compute a SHA-256 hash of nested sequences of arrays, texts and numbers."""
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
    """Apply `run` to batches of items of similar length, and return the results in the order of the items.

    Args:
        items: any values.
        lengths: the length of every item.
        run: takes a list of items, returns one result for each.
        batch_size: maximum items per call of `run`.

    >>> upper = lambda texts: [text.upper() for text in texts]
    >>> map_by_length(["ccc", "a", "bb"], [3, 1, 2], upper, batch_size=2)
    ['CCC', 'A', 'BB']
    """
    order = numpy.argsort(numpy.asarray(lengths, dtype=numpy.int64), kind="stable")
    results: list[Any] = [None] * len(items)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        for row, result in zip(rows, run([items[row] for row in rows]), strict=True):
            results[row] = result
    return results
