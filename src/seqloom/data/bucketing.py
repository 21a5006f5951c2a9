"""Length bucketing: sequences of similar length share a batch, so that little is padded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, final

import numpy

from seqloom.data.batching import MAX_UNITS, Batch, Batching
from seqloom.data.digest import compute_digest
from seqloom.errors import DataError
from seqloom.progress import phase

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
            padding included, but at least one item; without, at most `batch_size` items and, with more than
            one, `max_units` steps.
        skipped: one message for every example that was skipped.
        digest: a hash of the items; None: it is computed.

    Raises:
        DataError: there are fewer items to learn from than processes.
    """

    carries_state = False

    def __init__(
        self,
        items: Sequence[T],
        lengths: Sequence[int] | Sequence[tuple[int, ...]] | numpy.ndarray,
        collate: Callable[[list[T]], Batch],
        batching: Batching,
        skipped: Sequence[str] = (),
        digest: str | None = None,
    ) -> None:
        if batching.training and len(items) < batching.shard.world_size:
            expected = f"expected at least one row for each of {batching.shard.world_size} processes"
            raise DataError("train", expected, got=f"{len(items):,}", hint="Train in one process")
        self.skipped = skipped
        self._items, self._collate, self._batching = items, collate, batching
        self._lengths = numpy.asarray(lengths).reshape(len(items), -1)
        self._num_batches = len(self._divide(self._sort_by_length(epoch=0)))
        self.digest = compute_digest(items) if digest is None else digest

    def __len__(self) -> int:
        return self._num_batches

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch` from number `first` on, with the rows of this process.

        Of a held-out split with fewer rows than there are processes the last ones have none, and no batch.
        """
        shard = self._batching.shard
        for rows in self._epoch(epoch)[first:]:
            if len(own_rows := rows[shard.rank :: shard.world_size]):
                yield self._collate([self._items[row] for row in own_rows])

    def spans(self) -> Iterator[numpy.ndarray]:
        """The item of each row of the batches of epoch 0."""
        for batch in self._epoch(0):
            items = batch[self._batching.shard.rank :: self._batching.shard.world_size].astype(numpy.int64)
            if len(items):
                yield numpy.stack([items, items + 1], axis=1)

    def padding_ratio(self, epoch: int = 0) -> float:
        """Steps of an epoch with padding, divided by the steps without: 1 is no padding at all."""
        batches = self._divide(self._sort_by_length(epoch))
        padded = sum(len(rows) * self._lengths[rows].max(0) for rows in batches)
        return float((padded / self._lengths.sum(0).clip(min=1)).max())

    def _epoch(self, epoch: int) -> list[numpy.ndarray]:
        """The items of each batch of an epoch, in order."""
        batches = self._divide(self._sort_by_length(epoch))
        if not self._batching.training:
            return batches
        order = numpy.random.default_rng([self._batching.seed, epoch, 1]).permutation(len(batches))
        return [batches[number] for number in order]

    def _sort_by_length(self, epoch: int) -> numpy.ndarray:
        """Indices of the items by falling length, in random order within a bucket."""
        values = numpy.arange(int(self._lengths.max(initial=0)) + 1)
        bucket_of = numpy.floor(numpy.log(numpy.maximum(values, 1)) / numpy.log(BUCKET_RATIO))
        keys = -bucket_of.astype(numpy.int16)
        dtype = numpy.int32 if len(self._items) < 1 << 31 else numpy.int64
        order = numpy.arange(len(self._items), dtype=dtype)
        if self._batching.training:
            ties = numpy.random.default_rng([self._batching.seed, epoch, 0]).permutation(len(order))
            order[ties] = order.copy()
        # The last sort counts most; each keeps the order of what is equal.
        for column in self._lengths.T[::-1]:
            order = order[numpy.argsort(keys[column[order]], kind="stable")]
        return order

    def _divide(self, order: numpy.ndarray) -> list[numpy.ndarray]:
        """Divide sorted items into batches, none with fewer rows than there are processes."""
        units, size = self._batching.batch_units, self._batching.batch_size
        world_size = self._batching.shard.world_size
        max_units = self._batching.max_units if units is None else units
        lengths = numpy.maximum(self._lengths.max(1), 1)[order]
        if not len(order):
            return []
        starts = [0]
        while starts[-1] < len(order):
            start = starts[-1]
            # The first item is nearly the longest, so that no more than this fits.
            most = max(max_units // int(lengths[start]), 1)
            window = lengths[start : start + (min(most, size) if units is None else most)]
            padded = numpy.maximum.accumulate(window).astype(numpy.int64) * numpy.arange(1, len(window) + 1)
            fitting = int(numpy.searchsorted(padded, max_units, side="right"))
            starts.append(start + max(fitting, world_size))
        starts.pop()
        if len(order) - starts[-1] < world_size and len(starts) > 1:
            starts.pop()
        return numpy.split(order, starts[1:])


def map_by_length(
    items: Sequence[T],
    lengths: Sequence[int],
    run: Callable[[list[T]], Sequence[R]],
    batch_size: int = BATCH_SIZE,
    max_units: int = MAX_UNITS,
) -> list[R]:
    """Apply `run` to batches of items of similar length, and return the results in the order of the items.

    Args:
        items: any values.
        lengths: the length of every item.
        run: takes a list of items, returns one result for each.
        batch_size: maximum items per call of `run`.
        max_units: maximum steps, padding included, per call with more than one item.

    >>> upper = lambda texts: [text.upper() for text in texts]
    >>> map_by_length(["ccc", "a", "bb"], [3, 1, 2], upper, batch_size=2)
    ['CCC', 'A', 'BB']
    """
    order = numpy.argsort(numpy.asarray(lengths, dtype=numpy.int64), kind="stable")
    results: list[Any] = [None] * len(items)
    start = 0
    with phase("answering", total=len(order), unit="inputs") as answering:
        while start < len(order):
            stop = start + 1
            while (
                stop < min(start + batch_size, len(order))
                and (stop + 1 - start) * lengths[order[stop]] <= max_units
            ):
                stop += 1
            rows = order[start:stop]
            for row, result in zip(rows, run([items[row] for row in rows]), strict=True):
                results[row] = result
            answering.advance(len(rows))
            start = stop
    return results
