"""All series of a table set on their grid, in memory, or in files of the cache where their rows are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple, final

import numpy

from seqloom import __version__
from seqloom.data.cache import cached_folder
from seqloom.data.ragged import FileValues, MemoryValues, Values
from seqloom.data.series.grid import Gridded, Plan, SeriesFacts, grid_chunk
from seqloom.data.series.rows.frames import Frames
from seqloom.data.tables.skipped import SkippedRows
from seqloom.progress import phase

Y, EXOGENOUS, WORDS = "y.bin", "exogenous.bin", "series.json"
NUMBERS = tuple(name for name in SeriesFacts._fields if name != "unique_ids")
"""Of these facts, the arrays"""


class GriddedSeries(NamedTuple):
    """All series on their grid."""

    facts: SeriesFacts
    y: Values
    exogenous: Values
    messages: SkippedRows
    """One for each series that cannot be used"""
    key: str
    """A hash of all, if they are in the cache"""


def grid_series(frames: Frames, plan: Plan) -> GriddedSeries:
    """Set all rows on their grid."""
    if not frames.key:
        collected = _Collected(None)
        _collect(frames, plan, collected)
        y, exogenous = (numpy.concatenate(parts) for parts in (collected.y, collected.exogenous))
        return collected.finish(MemoryValues(y), MemoryValues(exogenous), "")
    identity = repr((__version__, frames.key, plan._replace(path=Path())))
    key = hashlib.sha256(identity.encode()).hexdigest()[:32]

    def write(folder: Path) -> None:
        collected = _Collected(folder)
        _collect(frames, plan, collected)
        collected.save(folder)

    folder = cached_folder("series", key, write)
    y, exogenous = (FileValues(folder / name, numpy.float64) for name in (Y, EXOGENOUS))
    return _Collected.load(folder).finish(y, exogenous, key)


def _collect(frames: Frames, plan: Plan, collected: _Collected) -> None:
    with phase("arranging series", total=int(frames.counts.sum())) as arranging:
        for chunk in frames.chunks():
            results, messages = grid_chunk(chunk, plan, frames.unique_ids, frames.bad)
            for message in messages:
                collected.messages.append(message)
            for result in results:
                collected.add(result)
            arranging.advance(int(chunk.counts.sum()))


@final
class _Collected:
    """Series as they are made, some at a time."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.unique_ids: list[str] = []
        self.numbers: dict[str, list[numpy.ndarray]] = {name: [] for name in NUMBERS}
        self.messages = SkippedRows()
        self.y, self.exogenous = [numpy.zeros(0)], [numpy.zeros(0)]

    def add(self, series: Gridded) -> None:
        self.unique_ids += series.facts.unique_ids
        for name, arrays in self.numbers.items():
            arrays.append(getattr(series.facts, name))
        if self.folder is None:
            self.y.append(series.y)
            self.exogenous.append(series.exogenous.reshape(-1))
            return
        for name, values in ((Y, series.y), (EXOGENOUS, series.exogenous)):
            with (self.folder / name).open("ab") as file:
                values.tofile(file)

    def save(self, folder: Path) -> None:
        for name, arrays in self.numbers.items():
            numpy.save(folder / f"{name}.npy", numpy.concatenate(arrays))
        words = {"unique_ids": self.unique_ids, "messages": [list(self.messages), len(self.messages)]}
        (folder / WORDS).write_text(json.dumps(words), encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> _Collected:
        collected = _Collected(folder)
        words = json.loads((folder / WORDS).read_text(encoding="utf-8"))
        collected.unique_ids, collected.messages = words["unique_ids"], SkippedRows(*words["messages"])
        collected.numbers = {name: [numpy.load(folder / f"{name}.npy")] for name in NUMBERS}
        return collected

    def finish(self, y: Values, exogenous: Values, key: str) -> GriddedSeries:
        joined = {name: numpy.concatenate(arrays) for name, arrays in self.numbers.items()}
        return GriddedSeries(SeriesFacts(self.unique_ids, **joined), y, exogenous, self.messages, key)
