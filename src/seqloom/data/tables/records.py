"""Examples with named columns: a table, a folder of tables, or a folder of recordings.

The layouts of Hugging Face `datasets`: `.csv`, `.tsv`, `.jsonl` or `.parquet` with named columns; a folder
of audio files with `metadata.csv`, whose column `file_name` names a file in the same folder; or a folder of
audio files per label. Splits are named by files and folders. Where none is named validation, a tenth of the
training rows is held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from seqloom.data.folders import DataFiles, list_files, list_names
from seqloom.data.splits import SPLITS, infer_split
from seqloom.data.tables.examples import Example, Examples
from seqloom.data.tables.formats import READERS, Row, read_table
from seqloom.data.tables.reading import read_splits
from seqloom.data.tables.remarks import find_referenced
from seqloom.data.tables.skipped import SkippedRows
from seqloom.errors import DataError
from seqloom.progress import phase

METADATA = "metadata.csv"
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")

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
            raise DataError(self.path, expected, got=", ".join(self.columns))

    def describe(self) -> str:
        """For example `train 67,349 rows, validation 872 rows`."""
        sizes = ", ".join(f"{name} {len(rows):,} rows" for name, rows in self.splits.items())
        return "; ".join([sizes, *self.remarks])


class EncodedExamples(NamedTuple, Generic[T]):
    """The usable rows of a split, encoded, and one message for every row that was skipped."""

    items: Sequence[T]
    skipped: SkippedRows


def encode_examples(records: Records, split: str, encode: Callable[[Example], T]) -> EncodedExamples[T]:
    """Encode the rows of a split; a row for which `encode` raises DataError is skipped.

    Args:
        records: the data.
        split: its name, or `all`.
        encode: turns an example into what a model or a batch is made of.

    Returns:
        `EncodedExamples`; `skipped` has the messages of the rows that `read` skipped, too.

    Raises:
        DataError: no row is usable; or, with `records.strict`, the first bad row.
    """
    items, skipped, examples = [], records.skipped_rows(split), records.examples(split)
    with phase(f"preparing {split}", total=len(examples)) as preparing:
        for batch in examples.batches():
            for example in batch:
                try:
                    items.append(encode(example))
                except DataError as error:
                    if records.strict:
                        raise
                    skipped.append(str(error))
                preparing.advance()
    require_usable(records, split, len(items), skipped)
    return EncodedExamples(tuple(items), skipped)


def require_usable(records: Records, split: str, count: int, skipped: SkippedRows) -> None:
    """Check that there is at least one usable row.

    Raises:
        DataError: there is none, with the first reason.
    """
    if not count:
        got = skipped.describe() or "none"
        raise DataError(records.path, f"expected at least one usable row for {split}", got=got)


def contains_records(path: Path) -> bool:
    """Whether `path` is a table, or a folder that contains tables or recordings."""
    data_files = list_files(path)
    return bool(_find_tables(data_files) or _find_recordings(data_files))


def read_records(path: Path, strict: bool = False) -> Records:
    """Read a table, the tables in a folder, or a folder of recordings per label.

    Args:
        path: a table, or a folder.
        strict: whether a bad row is an error; otherwise it is skipped and counted.

    Raises:
        DataError: a table cannot be read, there are no training rows, or, with `strict`, a row is bad.
        RunError: the tables are large, and the cache cannot be written.
    """
    data_files = list_files(path)
    tables, recordings = _find_tables(data_files), _find_recordings(data_files)
    sources = tables or recordings
    # the name of a single file is no split
    split_of = {source: infer_split(source, path) if source != path else None for source in sources}
    rows_of = _rows_of if tables else _label_by_folder
    splits = read_splits(path, split_of, rows_of, strict, is_stored=bool(tables))
    unnamed = [source.name for source in sources if source != path and split_of[source] is None]
    remarks = (
        f"ignored, since others are named train: {list_names(unnamed)}" if splits.ignores_unnamed else "",
        data_files.describe_rest([*sources, *find_referenced(splits.files, data_files)]),
        *splits.duplicates,
        splits.stored,
    )
    return Records(
        path, splits.examples, splits.columns, splits.skipped, strict, tuple(filter(None, remarks))
    )


def _find_tables(data_files: DataFiles) -> list[Path]:
    tables = data_files.with_suffix(READERS)
    return [table for table in tables if table.name == METADATA] or tables


def _find_recordings(data_files: DataFiles) -> list[Path]:
    return data_files.with_suffix(AUDIO_SUFFIXES) if data_files.path.is_dir() else []


def _rows_of(table: Path) -> Iterator[Row]:
    """The rows of a table; a relative `file`, or `file_name` of a metadata.csv, is beside the table."""
    is_metadata = table.name == METADATA
    column = "file_name" if is_metadata else "file"
    for row in read_table(table):
        name = row.fields.get(column)
        if row.error is None and name is None and is_metadata:
            raise DataError(table, "expected a column file_name", got=", ".join(row.fields))
        if row.error is None and isinstance(name, str | Path) and str(name):
            path = (table.parent / name).resolve()
            fields = {("file" if key == column else key): value for key, value in row.fields.items()}
            yield Row(row.place, {**fields, "file": path})
        else:
            yield row


def _label_by_folder(recording: Path) -> Iterator[Row]:
    """A recording, labeled by the name of its folder."""
    yield Row(str(recording), {"file": recording.resolve(), "label": recording.parent.name})


def read_inputs(path: Path) -> Sequence[Example]:
    """Read a table of inputs for prediction: without splits, and a bad row is an error.

    Raises:
        DataError: the table or a row of it cannot be read.
    """
    examples = []
    for row in _rows_of(path):
        if row.error is not None:
            raise row.error
        examples.append(Example(row.place, row.fields))
    return examples
