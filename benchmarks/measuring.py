"""Two ways of doing the same, timed in turn in one process, pair by pair."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

LEAST_PAIRS = 7


class Pairs(NamedTuple):
    """Seconds of each of ours and of theirs, measured side by side."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as fast as theirs ours is, pair by pair."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the paired ratios."""
        return statistics.median(self.ratios)

    @property
    def seconds(self) -> tuple[float, float]:
        """Medians: ours, theirs."""
        return statistics.median(self.ours), statistics.median(self.theirs)


def in_turn(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    budget_seconds: float = 1.0,
    least: int = LEAST_PAIRS,
    before: Callable[[], object] | None = None,
) -> Pairs:
    """Time two functions in turn, the first of a pair by turns too, after a run of each to warm up.

    Args:
        ours, theirs: what to time, of one time each.
        budget_seconds: pairs are measured for about so long, but `least` of them at least.
        least: pairs.
        before: called before each pair, outside the time of both.
    """
    each = max(once(ours), once(theirs))
    each = min(each, max(once(ours), once(theirs)))  # the first run of anything is slow
    # Short ones are run some times over, so that a clock's and a scheduler's grain are small beside them.
    repeat = max(1, int(0.001 / each)) if each < 0.001 else 1
    count = max(least, min(101, int(budget_seconds / (2 * each * repeat))))
    pairs = Pairs([], [])
    gc.collect()
    for k in range(count):
        if before is not None:
            before()
        if k % 2:
            late = once(theirs, repeat)
            pairs.ours.append(once(ours, repeat))
            pairs.theirs.append(late)
        else:
            pairs.ours.append(once(ours, repeat))
            pairs.theirs.append(once(theirs, repeat))
    return pairs


def once(function: Callable[[], object], repeat: int = 1) -> float:
    """Seconds of a call, as the mean of `repeat` calls.

    What has a method `seconds(repeat)` is timed by that: it runs in another process.
    """
    own = getattr(function, "seconds", None)
    if own is not None:
        return own(repeat)
    started = time.perf_counter()
    for _ in range(repeat):
        function()
    return (time.perf_counter() - started) / repeat


def processor_seconds(run: Callable[[], object]) -> float:
    """Of this process: what else the machine does is not in it."""
    started = time.process_time()
    run()
    return time.process_time() - started


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median [least, most]."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
