"""A data set of music: MIDI files or piano rolls, and which split each of them belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from seqloom.data.splits import SPLITS
from seqloom.data.tables.examples import Example

MusicKind: TypeAlias = Literal["events", "frames"]
"""What music is read as: the events of MIDI files, or the frames of piano rolls."""


class Music(NamedTuple):
    """Tunes by split."""

    path: Path
    kind: MusicKind
    splits: Mapping[str, Sequence[Any]]
    """`train`, `validation`, perhaps `test`: the paths of MIDI files, or piano rolls"""
    remarks: tuple[str, ...] = ()
    """What a person should know of the data, a line each"""
    strict: bool = False
    """Whether one unusable tune among many is an error"""

    def tunes(self, split: str) -> list[Any]:
        """The tunes of a split; `all`: of all splits."""
        names = SPLITS if split == "all" else (split,)
        return [tune for name in names for tune in self.splits.get(name, ())]

    def examples(self, split: str) -> list[Example]:
        """The tunes of a split as rows of one column, `file`."""
        return [Example(str(tune), {"file": tune}) for tune in self.tunes(split)]

    def describe(self) -> str:
        """For example `train 834 tunes, validation 100 tunes`."""
        sizes = ", ".join(f"{name} {len(tunes):,} tunes" for name, tunes in self.splits.items())
        return "; ".join([sizes, *self.remarks])
