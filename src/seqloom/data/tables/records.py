"""Examples with named columns: a table, a folder of tables, or a folder of recordings.

The layouts of Hugging Face `datasets`: `.csv`, `.tsv`, `.jsonl` or `.parquet` with named columns; a folder
of audio files with `metadata.csv`, whose column `file_name` names a file in the same folder; or a folder of
audio files per label. Splits are named by files and folders. Where none is named validation, a tenth of the
training rows is held out.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from seqloom.data.folders import list_names
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.data.splits import SPLITS, hold_out
from seqloom.data.tables.columns import ANY_COLUMNS, ExpectedColumns, Layout, suggest_settings
from seqloom.data.tables.reader import TableReader
from seqloom.data.tables.remarks import describe_duplicates, find_referenced
from seqloom.data.tables.sources import find_sources, rows_of
from seqloom.errors import DataError

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
    mapping: Mapping[str, str | int] = MappingProxyType({})
    """The names in the tables of the columns that were renamed"""

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
    """
    sources = find_sources(path, options, expected)
    rows: dict[str | None, list[Example]] = {}
    skipped: dict[str | None, list[str]] = {}
    for split, row in sources.rows():
        if row.error is None:
            rows.setdefault(split, []).append(Example(row.place, row.fields))
        elif strict:
            raise row.error
        else:
            skipped.setdefault(split, []).append(str(row.error))
    unlabeled = sources.find_unlabeled("test") if rows.get("test") else []
    if unlabeled:
        rows.pop("test", None)
        skipped.pop("test", None)
    named = {split for file in (*sources.tables, *sources.pair_files) if (split := sources.split_of(file))}
    if "train" not in named | rows.keys():  # files without the name of a split are for training
        rows["train"], skipped["train"] = rows.pop(None, []), skipped.pop(None, [])
    for split in SPLITS:
        if split in named | {"train"} and not rows.get(split) and not (split == "test" and unlabeled):
            purpose = "training" if split == "train" else split
            got = _count_bad_rows(skipped.get(split, ())) or "none"
            raise DataError(path, f"expected at least one usable row for {purpose}", got=got)
    train = rows["train"]
    if "validation" not in rows:
        held_out = hold_out([example.fields.get("file", number) for number, example in enumerate(train)])
        pairs = list(zip(train, held_out, strict=True))
        rows["validation"] = [example for example, is_held_out in pairs if is_held_out]
        rows["train"] = [example for example, is_held_out in pairs if not is_held_out]
        if not rows["validation"]:
            expected = "expected at least two usable rows, one for training and one for validation"
            bad = _count_bad_rows(skipped.get("train", ()))
            raise DataError(path, expected, got=f"1, and {bad}" if bad else 1)
    splits = {name: tuple(rows[name]) for name in SPLITS if name in rows}
    fields = {name: [example.fields for example in examples] for name, examples in splits.items()}
    unnamed = [file.name for file in sources.files if file != path and sources.split_of(file) is None]
    is_ignored = None in rows or None in skipped
    test = " ".join(shlex.quote(str(table)) for table in unlabeled)
    remarks = (
        *sources.reader.remarks,
        f"test has nothing to predict, and is left out of reports: seqloom predict RUN {test}"
        if unlabeled
        else "",
        f"ignored, since others are named train: {list_names(unnamed)}" if is_ignored else "",
        sources.data_files.describe_rest([*sources.files, *find_referenced(fields, sources.data_files)]),
        *describe_duplicates(fields),
    )
    return Records(
        path,
        splits,
        tuple(dict.fromkeys(name for example in train for name in example.fields)),
        {name: tuple(skipped[name]) for name in SPLITS if skipped.get(name)},
        strict,
        tuple(filter(None, remarks)),
        sources.reader.columns,
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
    for row in rows_of(path, reader):
        if row.error is not None:
            raise row.error
        examples.append(Example(row.place, row.fields))
    for remark in reader.remarks:
        note(remark)
    return examples
