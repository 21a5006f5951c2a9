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
from typing import Any, Generic, NamedTuple, TypeVar

from seqloom.data.folders import DataFiles, list_files, list_names
from seqloom.data.splits import SPLITS, hold_out, infer_split
from seqloom.data.tables.formats import READERS, Row, read_table
from seqloom.data.tables.remarks import describe_duplicates, find_referenced
from seqloom.errors import DataError

METADATA = "metadata.csv"
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")

T = TypeVar("T")


class Example(NamedTuple):
    """A row of the data and its place."""

    place: str
    """For example `train.csv, line 3`"""
    fields: Mapping[str, Any]

    def text(self, column: str) -> str:
        """The text in `column`.

        Raises:
            DataError: there is no such text, or it is white space only.
        """
        value = self.fields.get(column)
        if isinstance(value, str) and value.strip():
            return value
        got = "nothing" if value is None or isinstance(value, str) else f"{value!r:.60}"
        raise DataError(self.place, f"`{column}` must be a text", got=got)


class Records(NamedTuple):
    """Examples by split, and one message in `skipped` for every row that could not be read."""

    path: Path
    splits: dict[str, tuple[Example, ...]]
    columns: tuple[str, ...]
    skipped: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    strict: bool = False
    """Whether a bad row is an error; otherwise it is skipped and counted."""
    remarks: tuple[str, ...] = ()
    """What a person should know of the data, such as files that were passed over"""

    def examples(self, split: str) -> tuple[Example, ...]:
        """The examples of a split; `all`: of all splits."""
        names = SPLITS if split == "all" else (split,)
        return tuple(example for name in names for example in self.splits.get(name, ()))

    def skipped_rows(self, split: str) -> tuple[str, ...]:
        """One message for every row of a split that could not be read; `all`: of all splits."""
        names = SPLITS if split == "all" else (split,)
        return tuple(message for name in names for message in self.skipped.get(name, ()))

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

    items: tuple[T, ...]
    skipped: tuple[str, ...]


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
    items, skipped = [], list(records.skipped_rows(split))
    for example in records.examples(split):
        try:
            items.append(encode(example))
        except DataError as error:
            if records.strict:
                raise
            skipped.append(str(error))
    if not items:
        got = _count_bad_rows(skipped) or "none"
        raise DataError(records.path, f"expected at least one usable row for {split}", got=got)
    return EncodedExamples(tuple(items), tuple(skipped))


def _count_bad_rows(messages: Sequence[str]) -> str | None:
    if not messages:
        return None
    first = messages[0].removesuffix(".")
    return f"1 bad row: {first}" if len(messages) == 1 else f"{len(messages):,} bad rows, the first: {first}"


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
    """
    data_files = list_files(path)
    tables, recordings = _find_tables(data_files), _find_recordings(data_files)
    table_rows = ((table, row) for table in tables for row in _rows_of(table))
    rows: dict[str | None, list[Example]] = {}
    skipped: dict[str | None, list[str]] = {}
    for source, row in table_rows if tables else _label_by_folder(recordings):
        split = infer_split(source, path) if source != path else None  # the name of a single file is no split
        if row.error is None:
            rows.setdefault(split, []).append(Example(row.place, row.fields))
        elif strict:
            raise row.error
        else:
            skipped.setdefault(split, []).append(str(row.error))
    named = {split for table in tables if table != path and (split := infer_split(table, path))}
    if "train" not in named | rows.keys():  # files without the name of a split are for training
        rows["train"], skipped["train"] = rows.pop(None, []), skipped.pop(None, [])
    for split in SPLITS:
        if split in named | {"train"} and not rows.get(split):
            purpose = "training" if split == "train" else split
            got = _count_bad_rows(skipped.get(split, ())) or "none"
            raise DataError(path, f"expected at least one usable row for {purpose}", got=got)
    train = rows["train"]
    if "validation" not in rows:
        files = [example.fields.get("file") for example in train]
        held_out = hold_out(
            [file if isinstance(file, str | Path) else number for number, file in enumerate(files)]
        )
        pairs = list(zip(train, held_out, strict=True))
        rows["validation"] = [example for example, is_held_out in pairs if is_held_out]
        rows["train"] = [example for example, is_held_out in pairs if not is_held_out]
        if not rows["validation"]:
            expected = "expected at least two usable rows, one for training and one for validation"
            bad = _count_bad_rows(skipped.get("train", ()))
            raise DataError(path, expected, got=f"1, and {bad}" if bad else 1)
    splits = {name: tuple(rows[name]) for name in SPLITS if name in rows}
    fields = {name: [example.fields for example in examples] for name, examples in splits.items()}
    sources = tables or recordings
    unnamed = [source.name for source in sources if source != path and infer_split(source, path) is None]
    is_ignored = None in rows or None in skipped
    remarks = (
        f"ignored, since others are named train: {list_names(unnamed)}" if is_ignored else "",
        data_files.describe_rest([*sources, *find_referenced(fields, data_files)]),
        *describe_duplicates(fields),
    )
    return Records(
        path,
        splits,
        tuple(dict.fromkeys(name for example in train for name in example.fields)),
        {name: tuple(skipped[name]) for name in SPLITS if skipped.get(name)},
        strict,
        tuple(filter(None, remarks)),
    )


def _find_tables(data_files: DataFiles) -> list[Path]:
    tables = data_files.with_suffix(READERS)
    return [table for table in tables if table.name == METADATA] or tables


def _find_recordings(data_files: DataFiles) -> list[Path]:
    return data_files.with_suffix(AUDIO_SUFFIXES) if data_files.path.is_dir() else []


def _rows_of(table: Path) -> Iterator[Row]:
    """The rows of a table; a relative `file`, or `file_name` of a metadata.csv, is beside the table."""
    column = "file_name" if table.name == METADATA else "file"
    for row in read_table(table):
        name = row.fields.get(column)
        if row.error is None and name is None and table.name == METADATA:
            raise DataError(table, "expected a column file_name", got=", ".join(row.fields))
        if row.error is None and isinstance(name, str | Path) and str(name):
            path = (table.parent / name).resolve()
            fields = {("file" if key == column else key): value for key, value in row.fields.items()}
            yield Row(row.place, {**fields, "file": path})
        else:
            yield row


def _label_by_folder(recordings: Sequence[Path]) -> Iterator[tuple[Path, Row]]:
    """The recordings, labeled by the name of their folder."""
    for file in recordings:
        yield file, Row(str(file), {"file": file.resolve(), "label": file.parent.name})


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
