"""Examples with named columns: a table, a folder of tables, or a folder of recordings.

The layouts of Hugging Face `datasets`: `.csv`, `.tsv`, `.jsonl` or `.parquet` with named columns; a folder
of audio files with `metadata.csv`, whose column `file_name` names a file in the same folder; or a folder of
audio files per label. Splits are named by files and folders. Where none is named validation, a tenth of the
training rows is held out.
"""

from __future__ import annotations

import shlex
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar, final, overload

import numpy

from seqloom.data.digest import Digest
from seqloom.data.folders import list_names
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.data.splits import SPLITS
from seqloom.data.tables.columns import ANY_COLUMNS, ExpectedColumns, Layout, suggest_settings
from seqloom.data.tables.examples import Example, Examples
from seqloom.data.tables.reader import TableReader
from seqloom.data.tables.reading import read_splits
from seqloom.data.tables.remarks import find_referenced
from seqloom.data.tables.skipped import SkippedRows
from seqloom.data.tables.sources import find_sources, rows_of
from seqloom.errors import DataError
from seqloom.progress import phase

T = TypeVar("T")


class Records(NamedTuple):
    """Examples by split, and one message in `skipped` for every row that could not be read."""

    path: Path
    splits: Mapping[str, Examples]
    columns: tuple[str, ...]
    skipped: Mapping[str, SkippedRows] = MappingProxyType({})
    strict: bool = False
    """Whether a bad row is an error; otherwise it is skipped and counted."""
    remarks: tuple[str, ...] = ()
    """What a person should know of the data, such as files that were passed over"""
    mapping: Mapping[str, str | int] = MappingProxyType({})
    """The names in the tables of the columns that were renamed"""

    def examples(self, split: str) -> Examples:
        """The examples of a split; `all`: of all splits."""
        names = SPLITS if split == "all" else (split,)
        return Examples.join([self.splits[name] for name in names if name in self.splits])

    def skipped_rows(self, split: str) -> SkippedRows:
        """One message for every row of a split that could not be read; `all`: of all splits."""
        names = SPLITS if split == "all" else (split,)
        return SkippedRows.join(self.skipped[name] for name in names if name in self.skipped)

    def require(self, *columns: str) -> None:
        """Check that the data has these columns.

        Raises:
            DataError: one is missing.
        """
        missing = [column for column in columns if column not in self.columns]
        if missing:
            expected = f"expected columns {', '.join(columns)}"
            hint = self.suggest(*missing)
            raise DataError(self.path, expected, got=", ".join(self.columns), hint=hint)

    def suggest(self, *missing: str) -> str:
        """How to say which columns stand for those that are missing; empty where there are too few."""
        return suggest_settings(missing, self.columns, (example.fields for example in self.examples("train")))

    def describe(self) -> str:
        """For example `train 67,349 rows, validation 872 rows`."""
        sizes = ", ".join(f"{name} {len(rows):,} rows" for name, rows in self.splits.items())
        return "; ".join([sizes, *self.remarks])


class EncodedExamples(NamedTuple, Generic[T]):
    """The usable rows of a split, encoded, and one message for every row that was skipped."""

    items: Sequence[T]
    skipped: SkippedRows
    lengths: Sequence[Any] | numpy.ndarray = ()
    """What `measure` gave for each item"""
    digest: str | None = None
    """A hash of the items where they are not in memory"""


def encode_first(records: Records, encode: Callable[[Example], T]) -> T:
    """What `encode` makes of the first training row that can be used.

    Raises:
        DataError: no row can be used; or, with `records.strict`, a row before it cannot.
    """
    for example in records.examples("train"):
        try:
            return encode(example)
        except DataError:
            if records.strict:
                raise
    return encode_examples(records, "train", encode).items[0]  # raises, as no row is good


def encode_examples(
    records: Records,
    split: str,
    encode: Callable[[Example], T],
    measure: Callable[[T], int | tuple[int, ...]] | None = None,
) -> EncodedExamples[T]:
    """Encode the rows of a split; a row for which `encode` raises DataError is skipped.

    Rows of a large table are encoded again when they are asked for: their memory is free meanwhile.

    Args:
        records: the data.
        split: its name, or `all`.
        encode: turns an example into what a model or a batch is made of.
        measure: the length of an item; None: nobody asks for it.

    Returns:
        `EncodedExamples`; `skipped` has the messages of the rows that `read` skipped, too.

    Raises:
        DataError: no row is usable; or, with `records.strict`, the first bad row.
    """
    skipped, examples = records.skipped_rows(split), records.examples(split)
    is_stored, digest = bool(examples.key), Digest()
    items: list[T] = []
    rows, lengths = array("q"), []
    row = 0
    with phase(f"preparing {split}", total=len(examples)) as preparing:
        for batch in examples.batches():
            for example in batch:
                try:
                    item = encode(example)
                    rows.append(row)
                    if measure is not None:
                        lengths.append(measure(item))
                    if is_stored and measure is not None:
                        digest.add(item)
                    elif not is_stored:
                        items.append(item)
                except DataError as error:
                    if records.strict:
                        raise
                    skipped.append(str(error))
                row += 1
                preparing.advance()
    require_usable(records, split, len(rows), skipped)
    if not is_stored:
        return EncodedExamples(tuple(items), skipped, lengths)
    usable = examples if len(rows) == len(examples) else examples.take(numpy.array(rows))
    return EncodedExamples(LazyItems(usable, encode), skipped, numpy.array(lengths), digest.hexdigest())


@final
class LazyItems(Sequence[T]):
    """Examples that are encoded when they are asked for.

    Args:
        examples: all can be encoded.
        encode: see `encode_examples`.
    """

    def __init__(self, examples: Examples, encode: Callable[[Example], T]) -> None:
        self._examples, self._encode = examples, encode

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[T]:
        return map(self._encode, self._examples)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self._encode(example) for example in self._examples[index]]
        return self._encode(self._examples[index])


def require_usable(records: Records, split: str, count: int, skipped: SkippedRows) -> None:
    """Check that there is at least one usable row.

    Raises:
        DataError: there is none, with the first reason.
    """
    if not count:
        got = skipped.describe() or "none"
        raise DataError(records.path, f"expected at least one usable row for {split}", got=got)


def read_records(
    path: Path,
    strict: bool = False,
    options: ReadOptions = READ_DEFAULTS,
    expected: ExpectedColumns = ANY_COLUMNS,
) -> Records:
    """Read a table, the tables or parallel texts in a folder, or a folder of recordings per label.

    Args:
        path: a table, or a folder.
        strict: whether a bad row is an error; otherwise it is skipped and counted.
        options: how tables are read.
        expected: what is known of the columns.

    Raises:
        DataError: a table cannot be read, there are no training rows, or, with `strict`, a row is bad.
        RunError: the tables are large, and the cache cannot be written.
    """
    sources = find_sources(path, options, expected)
    splits = read_splits(path, sources, strict)
    unnamed = [file.name for file in sources.files if file != path and sources.split_of(file) is None]
    referenced = find_referenced(splits.files, sources.data_files)
    predict = f"seqloom predict RUN {shlex.join(splits.unlabeled)}"
    remarks = (
        *splits.remarks,
        f"test has nothing to predict, and is left out of reports: {predict}" if splits.unlabeled else "",
        f"ignored, since others are named train: {list_names(unnamed)}" if splits.ignores_unnamed else "",
        sources.data_files.describe_rest([*sources.files, *referenced]),
        *splits.duplicates,
        splits.stored,
    )
    return Records(
        path,
        splits.examples,
        splits.columns,
        splits.skipped,
        strict,
        tuple(filter(None, remarks)),
        splits.mapping,
    )


def read_inputs(
    path: Path,
    column: str,
    options: ReadOptions = READ_DEFAULTS,
    expected: ExpectedColumns = ANY_COLUMNS,
    note: Callable[[str], object] = str,
) -> Sequence[Example]:
    """Read a table of inputs for prediction: without splits, and a bad row is an error.

    Args:
        path: a table.
        column: what a model reads, which the table has under this name or under another that is recognized.
        options: how the table is read.
        expected: what is known of the columns.
        note: called with what was recognized, a line each.

    Raises:
        DataError: the table or a row of it cannot be read.
    """
    chosen = {role: name for role, name in options.columns.items() if role == column}
    options = options.model_copy(update={"columns": chosen})
    known = {role: name for role, name in expected.known.items() if role == column}
    reader = TableReader(options, path.parent, ExpectedColumns(known, [Layout(column, column)]))
    examples = []
    with phase(f"reading {path.name}") as reading:
        for row in reading.count(rows_of(path, reader)):
            if row.error is not None:
                raise row.error
            examples.append(Example(row.place, row.fields))
    for remark in reader.remarks:
        note(remark)
    return examples
