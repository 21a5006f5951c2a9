"""Text corpora: a `.txt` file or a folder of them, memory-mapped and read in chunks, never as a whole.

Splits are named by files or folders: train, validation (or valid, val, dev) and test. Where none is named
train, the files without such a name are the training split. Where none is named validation, the last tenth of
every training file is held out, at most 4 MiB.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from seqloom.data.compression import read_head
from seqloom.data.encoding import HEAD_BYTES, encoding_error
from seqloom.data.folders import list_files, list_names
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.data.splits import HELD_OUT, SPLITS, infer_split
from seqloom.data.text.plain import as_plain_text
from seqloom.errors import DataError
from seqloom.progress import phase

CHUNK_BYTES = 1 << 20
OTHER_FORMATS = "Other formats are .csv, .tsv, .json, .jsonl, .parquet and .conll tables, and recordings"
HELD_OUT_BYTES = 4 << 20
"""Maximum bytes of a file that are held out: more would make validation slower and hardly more precise."""


class FileSpan(NamedTuple):
    """Bytes `start` to `stop` of a UTF-8 file, at boundaries of characters."""

    path: Path
    start: int
    stop: int


class TextCorpus(NamedTuple):
    """A text corpus: the spans of files that make up each split, in reading order."""

    path: Path
    splits: dict[str, tuple[FileSpan, ...]]
    ignored: tuple[Path, ...] = ()
    """Files that belong to no split: in a folder where others are named train"""
    remarks: tuple[str, ...] = ()
    """What a person should know of the data, such as files that were passed over"""
    originals: Mapping[Path, Path] = MappingProxyType({})
    """The files of spans, and what they are copies of where those are compressed or in another encoding"""

    def size_bytes(self, split: str) -> int:
        """Number of bytes of a split."""
        return sum(span.stop - span.start for span in self.splits[split])

    def describe(self) -> str:
        """For example `train 1,003,854 bytes, validation 111,540 bytes`."""
        sizes = ", ".join(f"{name} {self.size_bytes(name):,} bytes" for name in self.splits)
        return "; ".join([sizes, *self.remarks])

    def all_spans(self) -> tuple[FileSpan, ...]:
        """The spans of all splits: the whole corpus, for a text on which nothing is trained."""
        return tuple(span for name in SPLITS for span in self.splits.get(name, ()))


def read_text(path: Path | str, options: ReadOptions = READ_DEFAULTS) -> TextCorpus:
    """Find the text files under `path` and their splits, without reading the text.

    A file that is compressed or in another encoding is copied into the cache folder as plain UTF-8.

    Args:
        path: a text file, or a folder with `.txt` files at any depth.
        options: `encoding` is that of the files.

    Raises:
        DataError: there is no such path, the folder has no `.txt` file, or a file is empty or damaged.
        RunError: the cache folder cannot be written.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(path, "expected a text file or a folder of them", got="no such file or folder")
    if not path.is_dir():
        copies = _plain_texts([path], options)
        return TextCorpus(path, _hold_out([*copies]), originals=copies)
    data_files = list_files(path)
    files = data_files.with_suffix([".txt"])
    if not files:
        raise DataError(
            path, "expected at least one .txt file in this folder", got="none", hint=OTHER_FORMATS
        )
    named = {split: [file for file in files if infer_split(file, path) == split] for split in SPLITS}
    unnamed = [file for file in files if infer_split(file, path) is None]
    train, ignored = (named["train"], unnamed) if named["train"] else (unnamed, [])
    if not train:
        raise DataError(
            path,
            "expected a training text",
            got="files for validation and test only",
            hint="Add a file train.txt",
        )
    names = list_names([file.name for file in ignored])
    is_ignored = f"ignored, since others are named train: {names}" if names else ""
    remarks = [is_ignored, data_files.describe_rest(files), *_describe_duplicates(named)]
    copies = {split: _plain_texts(named[split], options) for split in SPLITS[1:]}
    copies["train"] = _plain_texts(train, options)
    splits = (
        {"train": _whole_files(copies["train"])} if named["validation"] else _hold_out([*copies["train"]])
    )
    splits |= {split: _whole_files(copies[split]) for split in SPLITS[1:] if named[split]}
    originals = {copy: file for part in copies.values() for copy, file in part.items()}
    return TextCorpus(path, splits, tuple(ignored), tuple(filter(None, remarks)), originals)


def _plain_texts(files: Sequence[Path], options: ReadOptions) -> dict[Path, Path]:
    """The files as plain UTF-8, each with what it is a copy of; or the files themselves."""
    return {as_plain_text(file, options): file for file in files if _size(file)}


def _describe_duplicates(named: Mapping[str, Sequence[Path]]) -> list[str]:
    """One message for each split with files that training has too, byte for byte."""
    sizes = {_size(file) for split in SPLITS[1:] for file in named[split]}
    trained = {_digest(file) for file in named["train"] if _size(file) in sizes}
    remarks = []
    for split in SPLITS[1:]:
        names = [file.name for file in named[split] if trained and _digest(file) in trained]
        if names:
            remarks.append(f"{split} has files that train has too: {list_names(names)}")
    return remarks


def _digest(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def read_chunks(spans: Sequence[FileSpan]) -> Iterator[str]:
    """Read the text of `spans` in chunks of at most a megabyte, which end at a line end if they contain one.

    Args:
        spans: parts of files, for example `corpus.splits["train"]`.

    Yields:
        The text, without a byte order mark.

    Raises:
        DataError: bytes that are not UTF-8, with their position.
    """
    with phase("reading the text", total=sum(span.stop - span.start for span in spans)) as reading:
        for chunk, size in _read_chunks(spans):
            yield chunk
            reading.advance(size)


def _read_chunks(spans: Sequence[FileSpan]) -> Iterator[tuple[str, int]]:
    """Chunks of text, and how many bytes each is."""
    for span in spans:
        with _open_mapped(span.path) as memory:
            start = span.start + (3 if span.start == 0 and memory[:3] == b"\xef\xbb\xbf" else 0)
            while start < span.stop:
                stop = min(start + CHUNK_BYTES, span.stop)
                if stop < span.stop:
                    newline = memory.rfind(b"\n", start, stop)
                    stop = newline + 1 if newline >= 0 else _find_boundary(memory, stop)
                yield _decode(span.path, memory[start:stop], start), stop - start
                start = stop


def _whole_files(files: Iterable[Path]) -> tuple[FileSpan, ...]:
    return tuple(FileSpan(file, 0, _size(file)) for file in files)


def _hold_out(files: Sequence[Path]) -> dict[str, tuple[FileSpan, ...]]:
    train, validation = [], []
    for file in files:
        size = _size(file)
        with _open_mapped(file) as memory:
            middle = _find_boundary(memory, max(int(size * (1 - HELD_OUT)), size - HELD_OUT_BYTES))
        train.append(FileSpan(file, 0, middle))
        validation.append(FileSpan(file, middle, size))
    return {"train": tuple(train), "validation": tuple(validation)}


@contextmanager
def _open_mapped(path: Path) -> Iterator[mmap.mmap]:
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


def _find_boundary(memory: mmap.mmap, position: int) -> int:
    """The nearest position at or before `position` where a UTF-8 character begins."""
    for candidate in range(position, max(position - 4, -1), -1):
        if memory[candidate] & 0xC0 != 0x80:
            return candidate
    return position


def _decode(path: Path, data: bytes, offset: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"{path}, byte {offset + error.start}"
        raise encoding_error(
            where, "the text must be UTF-8", error, read_head(path, HEAD_BYTES), path.name
        ) from None
