"""Read text: one `.txt` file or a folder of them, as memory-mapped UTF-8, in pieces.

Splits: files or folders named train, validation (or valid, val, dev) and test are taken at their word. Where
none is named train, the files without such a name are; where none is validation, that is the last tenth of
every training file, 4 MiB at most. Nothing here holds a whole file in memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from seqloom.data.splits import HELD_OUT, SPLITS, split_name
from seqloom.errors import DataError

PIECE_BYTES = 1 << 20
HELD_OUT_BYTES = 4 << 20
"""Of a long file no more than this is held out: reading more makes a loss no surer, only later."""


class FileSpan(NamedTuple):
    """Bytes `start` to `stop` of a UTF-8 file; both lie between characters."""

    path: Path
    start: int
    stop: int


class TextCorpus(NamedTuple):
    """A corpus: for each split its parts, in reading order."""

    path: Path
    splits: dict[str, tuple[FileSpan, ...]]
    ignored: tuple[Path, ...] = ()
    """Files in the folder that belong to no split, since others are named train."""

    def size_bytes(self, split: str) -> int:
        """Bytes of a split."""
        return sum(part.stop - part.start for part in self.splits[split])

    def describe(self) -> str:
        """For example `train 1,003,854 bytes, validation 111,540 bytes`."""
        sizes = ", ".join(f"{name} {self.size_bytes(name):,} bytes" for name in self.splits)
        names = ", ".join(file.name for file in self.ignored)
        return f"{sizes}; ignored, since others are named train: {names}" if names else sizes

    def whole(self) -> tuple[FileSpan, ...]:
        """Every byte of the corpus, as one split: for a text that the model has never seen."""
        return tuple(part for name in SPLITS for part in self.splits.get(name, ()))


def read_text(path: Path | str) -> TextCorpus:
    """Find the text under `path` and its splits, without reading it.

    Args:
        path: a `.txt` file, or a folder that holds some, at any depth.

    Raises:
        DataError: nothing there, no `.txt` in the folder, or a file that is empty.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(path, "expected a text file or a folder of them", got="no such file or folder")
    if not path.is_dir():
        return TextCorpus(path, _held_out([path]))
    files = sorted(file for file in path.rglob("*.txt") if file.is_file())
    if not files:
        raise DataError(path, "expected at least one .txt file in this folder", got="none")
    named = {split: [file for file in files if split_name(file, path) == split] for split in SPLITS}
    unnamed = [file for file in files if split_name(file, path) is None]
    train, ignored = (named["train"], unnamed) if named["train"] else (unnamed, [])
    if not train:
        raise DataError(path, "expected text to learn from", got="validation and test files only")
    learnt = {"train": _whole(train)} if named["validation"] else _held_out(train)
    others = {split: _whole(named[split]) for split in SPLITS[1:] if named[split]}
    return TextCorpus(path, learnt | others, tuple(ignored))


def pieces(parts: Sequence[FileSpan]) -> Iterator[str]:
    """The text of `parts`, in pieces of about a megabyte that end with a line where one ends in reach.

    Raises:
        DataError: bytes that are not UTF-8, with their place.
    """
    for part in parts:
        with _mapped(part.path) as memory:
            start = part.start + (3 if part.start == 0 and memory[:3] == b"\xef\xbb\xbf" else 0)
            while start < part.stop:
                stop = min(start + PIECE_BYTES, part.stop)
                if stop < part.stop:
                    newline = memory.rfind(b"\n", start, stop)
                    stop = newline + 1 if newline >= 0 else _between_characters(memory, stop)
                yield _decode(part.path, memory[start:stop], start)
                start = stop


def _whole(files: Sequence[Path]) -> tuple[FileSpan, ...]:
    return tuple(FileSpan(file, 0, _size(file)) for file in files)


def _held_out(files: Sequence[Path]) -> dict[str, tuple[FileSpan, ...]]:
    train, validation = [], []
    for file in files:
        size = _size(file)
        with _mapped(file) as memory:
            cut = _between_characters(memory, max(int(size * (1 - HELD_OUT)), size - HELD_OUT_BYTES))
        train.append(FileSpan(file, 0, cut))
        validation.append(FileSpan(file, cut, size))
    return {"train": tuple(train), "validation": tuple(validation)}


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            yield memory
    except OSError as error:
        raise DataError(path, "expected a file that can be read", got=error.strerror or str(error)) from None


def _size(file: Path) -> int:
    size = file.stat().st_size
    if size == 0:
        raise DataError(file, "expected a text", got="an empty file")
    return size


def _between_characters(memory: mmap.mmap, place: int) -> int:
    """The nearest place at or before `place` where a UTF-8 character begins."""
    for candidate in range(place, max(place - 4, -1), -1):
        if memory[candidate] & 0xC0 != 0x80:
            return candidate
    return place


def _decode(path: Path, data: bytes, offset: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = offset + error.start
        raise DataError(
            f"{path}, byte {place}",
            "the text must be UTF-8",
            got=f"byte 0x{data[error.start]:02x} ({error.reason})",
            hint=f"Convert it, as with: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > {path.stem}-utf8.txt",
        ) from None
