"""Windows of an epoch in training, which fork and cover the training split; those of a backtest by stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import final

import numpy

from seqloom.data.batching import Batching
from seqloom.data.bucketing import Buckets
from seqloom.data.series.dataset import SeriesData, Split
from seqloom.data.series.windows import Windows
from seqloom.errors import ConfigError
from seqloom.tasks.forecast.batches import ForecastBatch, WindowShape
from seqloom.tasks.forecasting import BacktestStage

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


def backtest_stages(
    series: SeriesData, windows: Windows, split: str, horizon: int, every: int
) -> list[BacktestStage]:
    """A backtest in stages, before each of which a model can be trained on all that is then known.

    Windows are counted from the last one of each series backwards, as neuralforecast does: nothing of a
    series after its own cutoff is learnt from. Where series end at different times, later times of other
    series may be. A series without windows, which is too short for the split, is learnt from up to its end.

    Args:
        series: all of them.
        windows: of the split, by series, then by cutoff.
        split: its name.
        horizon: h, steps of a forecast.
        every: windows of a series in a stage; the first stage may have fewer.

    Raises:
        ConfigError: the split is learnt from, or `every` is below 1.
    """
    if every < 1:
        raise ConfigError("evaluate", "refit must be an int >= 1", got=every)
    if split not in ("validation", "test"):
        raise ConfigError("evaluate", "refit needs the split validation or test", got=split)
    numbers, cutoffs = windows.numbers, windows.cutoffs
    counts = numpy.bincount(numbers, minlength=len(series))
    stops = numpy.cumsum(counts)
    behind = stops[numbers] - 1 - numpy.arange(len(numbers))  # windows of the series after this one
    stages = []
    for stage in range(int(behind.max(initial=-1)) // every, -1, -1):
        rows = numpy.flatnonzero(behind // every == stage)
        whole = series.split(split)
        # A series without a window in this stage is learnt from up to where its split begins.
        known, ends = whole.starts.copy(), whole.starts.copy()
        of, first = numpy.unique(numbers[rows], return_index=True)
        known[of] = cutoffs[rows[first]]
        ends[of] = known[of]
        numpy.maximum.at(ends, numbers[rows], windows.stops[rows])
        splits = {
            "train": Split(numpy.zeros_like(known), known),
            "validation": Split(numpy.maximum(known - horizon, 0), known),
            split: Split(known, ends),
        }
        data = SeriesData(
            series.path, series.layout, series.arrays, splits, (), series.skipped, series.strict
        )
        stages.append(BacktestStage(data, rows))
    return stages
