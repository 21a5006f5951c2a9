"""Which files of a data folder count: one rule for texts, tables and recordings.

Hidden files and folders are left out. Links are followed, and what is linked twice counts once in a split.
The case of endings does not matter. What no reader takes is named, so that nothing vanishes without a word.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from seqloom.data.compression import content_suffix
from seqloom.data.splits import infer_split
from seqloom.errors import DataError

NAMES_SHOWN = 5


class DataFiles(NamedTuple):
    """The files of a data folder, sorted, and what was left out of it."""

    path: Path
    """The folder, or the only file"""
    files: tuple[Path, ...]
    left_out: tuple[Path, ...]
    """Hidden files and folders, links to nothing, and links to what is there already"""

    def with_suffix(self, suffixes: Iterable[str]) -> list[Path]:
        """The files that have one of these suffixes, in lower case, with their dot, compressed or not."""
        wanted = frozenset(suffixes)
        return [file for file in self.files if content_suffix(file) in wanted]

    def describe_rest(self, used: Iterable[Path]) -> str:
        """For example `passed over 2: a.m4a, .git`, the files that are not `used`; empty if all are."""
        used = frozenset(used)
        rest = [*(file for file in self.files if file not in used), *self.left_out]
        names = [_one_line(str(file.relative_to(self.path))) for file in rest]
        return f"passed over {len(names):,}: {list_names(names)}" if names else ""


def list_names(names: Sequence[str]) -> str:
    """The first names, and how many more there are.

    >>> list_names(["a", "b"]), list_names("abcdefg")
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    shown = ", ".join(names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def _one_line(name: str) -> str:
    return name if name.isprintable() else repr(name)


def list_files(folder: Path) -> DataFiles:
    """Find the files at any depth in a folder.

    Args:
        folder: the folder, or a single file, which is the only one then.

    Raises:
        DataError: a folder cannot be read.
    """
    if not folder.is_dir():
        return DataFiles(folder, (folder,), ())
    files: list[Path] = []
    left_out: list[Path] = []
    pending: deque[tuple[Path, str]] = deque()
    """Paths, and where they really are; links come last, so that they never hide what they lead to."""

    def add_entries(parent: Path, real_parent: str) -> None:
        for entry in _entries(parent):
            path = Path(entry.path)
            if entry.name.startswith("."):
                left_out.append(path)
            elif entry.is_symlink():
                pending.append((path, os.path.realpath(path)))
            else:
                pending.appendleft((path, os.path.join(real_parent, entry.name)))

    real_folder = os.path.realpath(folder)
    seen: set[tuple[str | None, str]] = {(None, real_folder)}
    add_entries(folder, real_folder)
    while pending:
        path, real_path = pending.popleft()
        place = (infer_split(path, folder), real_path)
        if place not in seen and os.path.isdir(path):
            add_entries(path, real_path)
        elif place not in seen and os.path.isfile(path):
            files.append(path)
        else:
            left_out.append(path)
        seen.add(place)
    return DataFiles(folder, tuple(sorted(files)), tuple(sorted(left_out)))


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, as it is written, is in a folder; links in the folder may lead anywhere.

    >>> is_inside(Path("data/a/../b.wav"), Path("data")), is_inside(Path("data/../b.wav"), Path("data"))
    (True, False)
    """
    absolute = Path(os.path.abspath(path))
    return absolute.is_relative_to(os.path.abspath(folder)) or absolute.is_relative_to(folder.resolve())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(folder, "expected a folder that can be read", got=error.strerror) from None
