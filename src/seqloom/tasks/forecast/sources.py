"""The windows of an epoch in training: forking ones, which cover the training split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import final

import numpy

from seqloom.data.batching import Batching
from seqloom.data.bucketing import Buckets
from seqloom.data.series.dataset import Split
from seqloom.data.series.windows import Windows
from seqloom.tasks.forecast.batches import ForecastBatch, WindowShape

Cut = Callable[[Windows], ForecastBatch]
"""Makes a batch of windows"""


@final
class TrainingWindows:
    """Windows that cover the training split once an epoch, each epoch from another offset.

    Every step of a series, but for those passed over by the stride, forecasts once an epoch.

    Args:
        split: the steps to learn from.
        shape: how windows are cut.
        cut: makes a batch of windows.
        batching: the size of batches.
        digest: a hash of the data.
        skipped: one message for every series that was skipped.
    """

    carries_state = False

    def __init__(
        self,
        split: Split,
        shape: WindowShape,
        cut: Cut,
        batching: Batching,
        digest: str,
        skipped: Sequence[str] = (),
    ) -> None:
        self.digest, self.skipped = digest, skipped
        self._split, self._shape, self._cut, self._batching = split, shape, cut, batching
        self._num_batches = len(self._buckets(0))

    def __len__(self) -> int:
        return self._num_batches

    def batches(self, epoch: int, first: int = 0) -> Iterator[ForecastBatch]:
        """Yield the batches of an epoch from number `first` on, with the rows of this process."""
        return self._buckets(epoch).batches(epoch, first)  # type: ignore[return-value]

    def padding_ratio(self, epoch: int = 0) -> float:
        """Steps of an epoch with padding, divided by the steps without."""
        return self._buckets(epoch).padding_ratio(epoch)

    def _buckets(self, epoch: int) -> Buckets[int]:
        windows = self._windows(epoch)
        lengths = numpy.minimum(windows.cutoffs, self._shape.context + self._shape.span)
        rows = range(len(windows.numbers))
        collate = lambda chosen: self._cut(windows[numpy.array(chosen)])  # noqa: E731
        return Buckets(rows, lengths, collate, self._batching, digest=self.digest)

    def _windows(self, epoch: int) -> Windows:
        shape, starts = self._shape, numpy.maximum(self._split.starts, 1)
        stops = self._split.stops
        # The last cutoff has all of its horizon; of a short series at least half of its steps.
        last = numpy.maximum(stops - shape.horizon, (starts + stops) // 2)
        numbers = numpy.flatnonzero(stops > starts)
        width = shape.span + shape.stride
        offsets = numpy.zeros(len(numbers), numpy.int64)
        if self._batching.training:
            offsets = numpy.random.default_rng([self._batching.seed, epoch, 2]).integers(
                width, size=len(numbers)
            )
        room = last[numbers] - starts[numbers]
        offsets = numpy.minimum(offsets, room)
        counts = (room - offsets) // width + 1
        series = numpy.repeat(numbers, counts)
        rank = numpy.arange(len(series)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
        cutoffs = last[series] - numpy.repeat(offsets, counts) - rank * width
        return Windows(series, cutoffs, stops[series])
