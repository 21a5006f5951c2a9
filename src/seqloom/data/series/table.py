"""Series as `data.read` returns them: their rows by series and time, before a task says what it forecasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import final

import numpy

from seqloom.data.series.rows.columns import Roles
from seqloom.data.series.rows.frames import PARTS, Frames
from seqloom.data.series.rows.static import StaticTable
from seqloom.data.tables.skipped import SkippedRows


@final
class SeriesTable:
    """The rows of tables of series. `arrange_series` sets them on a grid and divides them by time.

    Args:
        path: the file or folder.
        roles: what the columns are.
        frames: the rows.
        splits: rows by the split that a file is named after; `train` always, `future` for rows after the end.
        static: columns that have one value a series.
        remarks: what a person should know, a line each.
        skipped: one message for every row that could not be read.
        strict: whether a bad row or series is an error.
    """

    def __init__(
        self,
        path: Path,
        roles: Roles,
        frames: Frames,
        splits: Sequence[str],
        static: StaticTable | None = None,
        remarks: Iterable[str] = (),
        skipped: SkippedRows | None = None,
        strict: bool = False,
    ) -> None:
        self.path, self.roles, self.frames, self.static = path, roles, frames, static
        self.remarks, self.strict = tuple(remarks), strict
        self.skipped = SkippedRows() if skipped is None else skipped
        rows = frames.counts.sum(0)
        self.splits: Mapping[str, int] = {split: int(rows[PARTS.index(split)]) for split in splits}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that are read."""
        unique_id = () if self.roles.unique_id is None else (self.roles.unique_id,)
        return (*unique_id, *self.roles.ds, *self.roles.numbers, *self.roles.categories)

    @property
    def mapping(self) -> Mapping[str, str]:
        """The names in the tables of `unique_id`, `ds` and `y`, for other tables that are read alike."""
        ds = self.roles.ds[0] if len(self.roles.ds) == 1 else None
        renamed = {"unique_id": self.roles.unique_id, "ds": ds, "y": self.roles.y}
        return {role: name for role, name in renamed.items() if name is not None and name != role}

    @property
    def num_series(self) -> int:
        """How many series there are: names, or columns of numbers where there are none."""
        width = 1 if self.roles.y is not None or self.roles.unique_id is not None else len(self.roles.numbers)
        return len(numpy.unique(self.frames.counts.nonzero()[0])) * width

    def describe(self) -> str:
        """For example `414 series; train 353,500 rows, test 19,872 rows`."""
        sizes = ", ".join(f"{name} {rows:,} rows" for name, rows in self.splits.items())
        return "; ".join([f"{self.num_series:,} series", sizes, *self.remarks])
