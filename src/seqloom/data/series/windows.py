"""Rolling origins: where a backtest forecasts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy

from seqloom.data.series.dataset import Split
from seqloom.errors import ConfigError


@final
@dataclass(frozen=True)
class Windows:
    """Forecasts to make: of which series, from which cutoff."""

    numbers: numpy.ndarray
    """(N,) int64: of series"""
    cutoffs: numpy.ndarray
    """(N,) int64: steps of history; the first step to forecast is the one of this number"""
    stops: numpy.ndarray
    """(N,) int64: the step after the last one that is scored, at most the cutoff plus the horizon"""

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: slice | numpy.ndarray) -> Windows:
        """Some of the forecasts."""
        return Windows(self.numbers[rows], self.cutoffs[rows], self.stops[rows])


def rolling_windows(
    split: Split, horizon: int, *, n_windows: int | None = None, step_size: int = 1
) -> Windows:
    """The forecasts of a backtest with rolling origin, as neuralforecast's `cross_validation` makes them.

    The last forecast of each series ends with the split; others begin `step_size` steps before the next one.
    With `step_size=1` and no `n_windows` every window of the split counts, the last ones too. (The data
    loader published with Informer drops the last windows that fill no batch of 32; a score without them is
    of other windows, and depends on the batch size.) A series whose split is shorter than the horizon has
    one forecast, of which only the steps within the split are scored. A cutoff has at least one step of
    history.

    Args:
        split: the steps to be forecast.
        horizon: steps of a forecast, neuralforecast's `h`.
        n_windows: forecasts of each series, at most; None: as many as the split has.
        step_size: steps between cutoffs.

    Returns:
        `Windows`, by series, then by cutoff.

    Raises:
        ConfigError: a number below 1.

    >>> split = Split(numpy.array([10, 4]), numpy.array([16, 5]))
    >>> windows = rolling_windows(split, 4)
    >>> windows.numbers, windows.cutoffs, windows.stops
    (array([0, 0, 0, 1]), array([10, 11, 12,  4]), array([14, 15, 16,  5]))
    >>> rolling_windows(split, 4, n_windows=1).cutoffs
    array([12,  4])
    """
    for name, value in (("horizon", horizon), ("n_windows", n_windows), ("step_size", step_size)):
        if value is not None and value < 1:
            raise ConfigError("rolling_windows", f"{name} must be an int >= 1", got=value)
    starts = numpy.maximum(split.starts, 1)
    room = split.stops - starts
    counts = numpy.where(room > 0, numpy.maximum((room - horizon) // step_size + 1, 1), 0)
    if n_windows is not None:
        counts = numpy.minimum(counts, n_windows)
    numbers = numpy.repeat(numpy.arange(len(counts)), counts)
    rank = numpy.arange(len(numbers)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
    last = numpy.maximum(split.stops - horizon, starts)
    cutoffs = last[numbers] - (counts[numbers] - 1 - rank) * step_size
    return Windows(numbers, cutoffs, numpy.minimum(cutoffs + horizon, split.stops[numbers]))


def describe_shortage(windows: Windows, asked: int | None) -> str | None:
    """That some series have fewer forecasts than were asked for; None where none has.

    >>> describe_shortage(rolling_windows(Split(numpy.array([10]), numpy.array([16])), 4, n_windows=9), 9)
    '9 forecasts of each series were asked for: 1 series has fewer, 3 at least, as its split is too short'
    """
    counts = numpy.unique(windows.numbers, return_counts=True)[1]
    short = counts[counts < (asked or 0)]
    if not len(short):
        return None
    series = "1 series has" if len(short) == 1 else f"{len(short):,} series have"
    whose = "its" if len(short) == 1 else "their"
    return (
        f"{asked:,} forecasts of each series were asked for: {series} fewer, {short.min():,} at least, as "
        f"{whose} split is too short"
    )


def training_windows(split: Split, history: int, horizon: int, max_windows: int = 50_000) -> Windows:
    """Windows of a training split with a whole history and horizon, evenly spaced where there are too many.

    Args:
        split: `train`, which begins at step 0.
        history: steps before the cutoff.
        horizon: steps after it.
        max_windows: about the most that there may be.

    >>> split = Split(numpy.array([0, 0]), numpy.array([8, 3]))
    >>> training_windows(split, 4, 2).cutoffs, training_windows(split, 4, 2, max_windows=1).cutoffs
    (array([4, 5, 6]), array([6]))
    """
    starts = split.starts + history
    has_room = split.stops - starts >= horizon
    counts = numpy.where(has_room, split.stops - starts - horizon + 1, 0)
    step_size = max(-(-int(counts.sum()) // max_windows), 1)
    every = max(-(-int(has_room.sum()) // max_windows), 1)
    is_used = has_room & (numpy.cumsum(has_room) % every == 0)
    used = Split(starts, numpy.where(is_used, split.stops, starts))
    return rolling_windows(used, horizon, step_size=step_size)
