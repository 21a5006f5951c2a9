"""The rows of tables as splits: in memory if the tables are small, from an Arrow file in the cache if not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import NamedTuple, final

import numpy

from seqloom import __version__
from seqloom.data.cache import cached_folder
from seqloom.data.compression import content_suffix, is_compressed
from seqloom.data.splits import SPLITS, hold_out
from seqloom.data.tables.examples import ArrowFile, Examples
from seqloom.data.tables.formats.speech import recording_folders
from seqloom.data.tables.formats.table import Row
from seqloom.data.tables.remarks import RowHashes, describe_duplicates
from seqloom.data.tables.skipped import SkippedRows
from seqloom.data.tables.sources import Sources
from seqloom.data.tables.storage import ExamplesWriter
from seqloom.errors import DataError
from seqloom.progress import phase

MEMORY_BYTES = 8 << 20
"""The rows of larger tables are written to a file in the cache folder."""
GROWTH = 8
"""How much larger the content of a compressed table is, about"""
FORMAT = 1
"""Of the files in the cache"""
SUMMARY, HELD_OUT = "splits.json", "held-out.npy"


class Splits(NamedTuple):
    """What the sources of a data set hold."""

    examples: Mapping[str, Examples]
    columns: tuple[str, ...]
    """Those of the training rows"""
    skipped: Mapping[str, SkippedRows]
    files: frozenset[str]
    """What rows have in their column `file`"""
    duplicates: tuple[str, ...]
    """Remarks on rows that are in two splits"""
    ignores_unnamed: bool
    """Whether there are sources without the name of a split, beside some that are named train"""
    remarks: tuple[str, ...]
    """What was recognized"""
    mapping: Mapping[str, str | int]
    """The names in the tables of the columns that were renamed"""
    unlabeled: tuple[str, ...]
    """The tables of a test split that is left out, as it has nothing to predict"""
    stored: str = ""
    """Where rows are, if they are in the cache"""


def read_splits(path: Path, sources: Sources, strict: bool) -> Splits:
    """Read all rows, and divide them into splits.

    Args:
        path: the data set.
        sources: what it is made of.
        strict: whether a bad row is an error; otherwise it is skipped and counted.

    Raises:
        DataError: a source cannot be read, a split is empty, or, with `strict`, a row is bad.
        RunError: the cache cannot be written.
    """
    is_media = bool(sources.recordings or sources.idx_pairs)
    sizes = {} if is_media else {file: file.stat().st_size for file in sources.files}
    unpacked = sum(size * (GROWTH if is_compressed(file) else 1) for file, size in sizes.items())
    if unpacked < MEMORY_BYTES:
        return _read(path, sources, strict)
    key = _compute_key(path, sources, strict, sum(sizes.values()))
    folder = cached_folder("tables", key, partial(_read, path, sources, strict))
    return _load(folder, [str(source.files[0]) for source in sources.in_order()], key)


def _compute_key(path: Path, sources: Sources, strict: bool, size: int) -> str:
    """A hash of the content of all sources, and of whatever else the stored rows depend on."""
    digest = hashlib.sha256(f"{FORMAT} {__version__} {strict} {sources.reader.settings()}".encode())
    with phase(f"checking {path.name}", total=size) as checking:
        for source in sources.in_order():
            for name in source.files:
                identity = (str(name), str(name.resolve()), source.split, recording_folders(name))
                digest.update(repr(identity).encode(errors="surrogateescape"))
                with name.open("rb") as file:
                    while block := file.read(1 << 22):
                        digest.update(block)
                        checking.advance(len(block))
    return digest.hexdigest()[:32]


def _read(path: Path, sources: Sources, strict: bool, folder: Path | None = None) -> Splits:
    """Read the rows into memory, or into files of `folder`."""
    ordered = sources.in_order()
    names = [str(source.files[0]) for source in ordered]  # which the places of rows begin with
    parts: dict[str | None, _SplitRows] = {}
    is_text = not sources.idx_pairs and all(
        content_suffix(file) != ".parquet" and not is_compressed(file) for file in sources.files
    )
    total = sum(file.stat().st_size for file in sources.files) if is_text else None
    with phase(f"reading {path.name}", total) as reading:
        for number, source in enumerate(ordered):
            split = source.split
            for row in sources.rows_of(source):
                if split not in parts:
                    file = None if folder is None else folder / f"{split or 'unnamed'}.arrow"
                    parts[split] = _SplitRows(ExamplesWriter(names, file, reading.advance, is_text))
                if row.error is None:
                    parts[split].add(number, row)
                elif strict:
                    raise row.error
                else:
                    parts[split].skipped.append(str(row.error))
        for part in parts.values():
            part.writer.close()
    unlabeled = sources.find_unlabeled("test") if "test" in parts and len(parts["test"].writer) else []
    if unlabeled:
        del parts["test"]
    named = {source.split for source in ordered if source.split is not None}
    if unlabeled:
        named.discard("test")
    if "train" not in named | parts.keys() and None in parts:  # files without a name are for training
        parts["train"] = parts.pop(None)
    _check_usable(path, parts, named)
    used = {split: parts[split] for split in SPLITS if split in parts}
    examples = {split: part.writer.examples() for split, part in used.items()}
    hashes = {split: part.hashes.to_array() for split, part in used.items()}
    if "validation" not in examples:
        held_out = _hold_out(path, parts["train"])
        train = hashes["train"]
        hashes |= {"train": train[~held_out], "validation": train[held_out]}
        examples = _divide(examples, held_out)
        if folder is not None:
            numpy.save(folder / HELD_OUT, held_out)
    splits = Splits(
        examples,
        tuple(parts["train"].columns),
        {split: part.skipped for split, part in used.items() if part.skipped},
        frozenset(file for part in parts.values() for file in part.files.values()),
        tuple(describe_duplicates(hashes)),
        ignores_unnamed=None in parts,
        remarks=tuple(sources.reader.remarks),
        mapping=dict(sources.reader.columns),
        unlabeled=tuple(map(str, unlabeled)),
    )
    if folder is not None:
        _save(folder, splits, used)
    return splits


@final
class _SplitRows:
    """What is read of a split."""

    def __init__(self, writer: ExamplesWriter) -> None:
        self.writer, self.hashes, self.skipped = writer, RowHashes(), SkippedRows()
        self.columns: dict[str, None] = {}
        self.files: dict[int, str] = {}
        self._names: Set[str] = frozenset()

    def add(self, source: int, row: Row) -> None:
        if row.fields.keys() != self._names:
            self._names = row.fields.keys()
            self.columns.update(dict.fromkeys(self._names))
        if "file" in self._names:
            self.files[len(self.writer)] = str(row.fields["file"])
        self.writer.add(source, row)
        self.hashes.add(row.fields)


def _check_usable(path: Path, parts: Mapping[str | None, _SplitRows], named: Set[str]) -> None:
    for split in SPLITS:
        part = parts.get(split)
        if split in named | {"train"} and (part is None or not len(part.writer)):
            purpose = "training" if split == "train" else split
            got = (part.skipped.describe() if part is not None else None) or "none"
            raise DataError(path, f"expected at least one usable row for {purpose}", got=got)


def _hold_out(path: Path, train: _SplitRows) -> numpy.ndarray:
    """Which training rows are held out; those of one file stay together."""
    rows = range(len(train.writer))
    held_out = hold_out([train.files.get(row, row) for row in rows] if train.files else rows)
    if not held_out.any():
        expected = "expected at least two usable rows, one for training and one for validation"
        bad = train.skipped.describe()
        raise DataError(path, expected, got=f"1, and {bad}" if bad else 1)
    return held_out


def _divide(examples: Mapping[str, Examples], held_out: numpy.ndarray) -> dict[str, Examples]:
    train = examples["train"]
    parts = {
        **examples,
        "train": train.take(numpy.flatnonzero(~held_out)),
        "validation": train.take(numpy.flatnonzero(held_out)),
    }
    return {split: parts[split] for split in SPLITS if split in parts}


def _save(folder: Path, splits: Splits, parts: Mapping[str, _SplitRows]) -> None:
    """Write what is known of the rows beside them."""
    tables = {split: [part.writer.file_name, part.writer.sizes] for split, part in parts.items()}
    skipped = {split: [list(messages), len(messages)] for split, messages in splits.skipped.items()}
    summary = {
        "tables": tables,
        **splits._asdict(),
        "examples": None,
        "skipped": skipped,
        "files": sorted(splits.files),
    }
    (folder / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")


def _load(folder: Path, sources: Sequence[str], key: str) -> Splits:
    """What `_save` wrote, with the rows memory-mapped."""
    summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    examples = {}
    for split, (name, sizes) in summary.pop("tables").items():
        file = ArrowFile(folder / name)
        batches = [(file, number) for number in range(len(sizes))]
        examples[split] = Examples(batches, sizes, sources, None, f"{key}-{split}")
    if (folder / HELD_OUT).exists():
        examples = _divide(examples, numpy.load(folder / HELD_OUT))
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    changed = {
        "examples": examples,
        "columns": tuple(summary["columns"]),
        "skipped": {split: SkippedRows(*part) for split, part in summary["skipped"].items()},
        "files": frozenset(summary["files"]),
        "duplicates": tuple(summary["duplicates"]),
        "remarks": tuple(summary["remarks"]),
        "unlabeled": tuple(summary["unlabeled"]),
        "stored": f"stored in {folder} ({megabytes:,.0f} MB)",
    }
    return Splits(**{**summary, **changed})
