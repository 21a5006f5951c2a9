"""Series divided by time: the last steps are held out, or files say which they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from seqloom.data.options import setting
from seqloom.data.series.dataset import Split
from seqloom.data.series.frequency import Frequency
from seqloom.data.series.options import SeriesConfig
from seqloom.errors import DataError

SHARE = 10
"""One in so many steps is held out for validation, and for test."""
SHORT = 4
"""A series has at least so many horizons, unless a horizon is set."""


class Division(NamedTuple):
    """The splits of series."""

    horizon: int
    splits: dict[str, Split]
    remarks: list[str]


def divide(
    path: Path,
    config: SeriesConfig,
    frequency: Frequency,
    ends: numpy.ndarray,
    parts: Sequence[str],
) -> Division:
    """Divide series by time.

    Args:
        path: the data, for messages.
        config: how many steps are held out.
        frequency: of which the horizon is derived, if nothing says it.
        ends: (S, 3) int64, where the files of train, validation and test end.
        parts: which of these there are.

    Raises:
        DataError: no series is long enough to hold out a forecast.
    """
    train_end = ends[:, 0]
    test = Split(ends[:, 1], ends[:, 2]) if "test" in parts else None
    validation = Split(train_end, ends[:, 1]) if "validation" in parts else None
    has_files = test is not None or validation is not None
    horizon = config.horizon or _horizon_of_files(test or validation) or frequency.horizon
    longest = int(train_end.max(initial=0))
    remarks = []
    if config.horizon is None and not has_files and horizon > longest // SHORT:
        horizon = max(longest // SHORT, 1)
        remarks.append(
            f"series are short, so that the horizon is {horizon} (another by {setting('data.horizon', '…')})"
        )
    usual = max(int(numpy.median(train_end)) // SHARE // horizon, 1) * horizon
    validation_steps = config.validation_steps or usual
    test_steps = validation_steps if config.test_steps is None else config.test_steps
    if not has_files and test_steps:
        test, train_end, short = _hold_out(train_end, test_steps)
        remarks += _describe_short(short, "test", test_steps)
    if validation is None:
        validation, train_end, short = _hold_out(train_end, validation_steps)
        remarks += _describe_short(short, "validation", validation_steps)
    if not validation.steps or (test is not None and not test.steps):
        needed = 1 + validation_steps + (0 if has_files else test_steps)
        expected = f"a horizon of {horizon} needs a series of at least {needed:,} steps to be tested"
        hint = f"Set a shorter one by {setting('data.horizon', str(max(longest // SHORT, 1)))}"
        raise DataError(path, expected, got=f"{longest:,}", hint=hint)
    splits = {"train": Split(numpy.zeros_like(train_end), train_end), "validation": validation}
    if test is not None:
        splits["test"] = test
    return Division(horizon, splits, remarks)


def _horizon_of_files(split: Split | None) -> int | None:
    """The steps of a split, if all series that are in it have the same."""
    if split is None:
        return None
    steps = numpy.unique((split.stops - split.starts)[split.numbers])
    return int(steps[0]) if len(steps) == 1 else None


def _hold_out(ends: numpy.ndarray, steps: int) -> tuple[Split, numpy.ndarray, int]:
    """The last steps as a split, where training ends then, and how many series are too short for it."""
    starts = numpy.where(ends > steps, ends - steps, ends)
    return Split(starts, ends), starts, int((ends <= steps).sum())


def _describe_short(count: int, split: str, steps: int) -> list[str]:
    remark = f"{count:,} series too short for {steps:,} steps of {split}: all of them is in train"
    return [remark] if count else []
