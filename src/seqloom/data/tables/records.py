"""Examples with named columns: a table, a folder of tables, or a folder of recordings.

What Hugging Face `datasets` uses: `.csv`, `.tsv`, `.jsonl` or `.parquet` with a column for each part of an
example; a folder of files with `metadata.csv`, whose `file_name` names a file beside it; or a folder of
files for each label. Splits go by the names of files and folders; where none is named validation, a tenth of
the training rows is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from seqloom.data.splits import SPLITS, hold_out, split_name
from seqloom.data.tables.formats import READERS, Row, read_table
from seqloom.errors import DataError

METADATA = "metadata.csv"
RECORDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")

T = TypeVar("T")


class Example(NamedTuple):
    """A row, and where it stands."""

    place: str
    fields: Mapping[str, Any]

    def text(self, column: str) -> str:
        """The text in `column`.

        Raises:
            DataError: there is none, or nothing but white space.
        """
        value = self.fields.get(column)
        if isinstance(value, str) and value.strip():
            return value
        got = "nothing" if value is None or isinstance(value, str) else f"{value!r:.60}"
        raise DataError(self.place, f"`{column}` must be a text", got=got)


class Records(NamedTuple):
    """Examples by split. `skipped` has a message for each row that could not be read."""

    path: Path
    splits: dict[str, tuple[Example, ...]]
    columns: tuple[str, ...]
    skipped: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    strict: bool = False
    """Whether a bad row is an error, instead of skipped and counted."""

    def examples(self, split: str) -> tuple[Example, ...]:
        """Those of a split; `all`: of every split."""
        chosen = SPLITS if split == "all" else (split,)
        return tuple(example for name in chosen for example in self.splits.get(name, ()))

    def unreadable(self, split: str) -> tuple[str, ...]:
        """What was wrong with the rows of a split that could not be read."""
        chosen = SPLITS if split == "all" else (split,)
        return tuple(message for name in chosen for message in self.skipped.get(name, ()))

    def require(self, *columns: str) -> None:
        """See that there are these columns.

        Raises:
            DataError: one is missing.
        """
        missing = [column for column in columns if column not in self.columns]
        if missing:
            expected = f"expected columns {', '.join(columns)}"
            raise DataError(self.path, expected, got=", ".join(self.columns))

    def describe(self) -> str:
        """For example `train 67,349 rows, validation 872 rows`."""
        return ", ".join(f"{name} {len(rows):,} rows" for name, rows in self.splits.items())


class EncodedExamples(NamedTuple, Generic[T]):
    """The good rows, encoded, and a message for each bad one."""

    items: tuple[T, ...]
    skipped: tuple[str, ...]


def encode_examples(records: Records, split: str, encode: Callable[[Example], T]) -> EncodedExamples[T]:
    """Encode every row of a split; a row at which `encode` raises DataError is skipped and its message kept.

    Raises:
        DataError: no row is good; or, where `records.strict`, one row is bad.
    """
    items, skipped = [], list(records.unreadable(split))
    for example in records.examples(split):
        try:
            items.append(encode(example))
        except DataError as error:
            if records.strict:
                raise
            skipped.append(str(error))
    if not items:
        got = f"{len(skipped):,} bad rows, the first: {skipped[0]}" if skipped else "none"
        raise DataError(records.path, f"expected at least one row for {split}", got=got)
    return EncodedExamples(tuple(items), tuple(skipped))


def is_records(path: Path) -> bool:
    """Whether tables or recordings lie there."""
    return bool(_tables(path) or _recordings(path))


def read_records(path: Path, strict: bool = False) -> Records:
    """Read the tables under `path`, or what the folder says of its recordings.

    Args:
        path: a table, or a folder.
        strict: whether a bad row is an error.

    Raises:
        DataError: a table cannot be read, there is nothing to learn from, or, with `strict`, a row is bad.
    """
    tables = _tables(path)
    listed = ((table, row) for table in tables for row in _rows_of(table))
    found = listed if tables else _by_folder(path)
    rows: dict[str | None, list[Example]] = {}
    skipped: dict[str | None, list[str]] = {}
    for source, row in found:
        split = split_name(source, path) if source != path else None  # a single file is no split
        if row.error is None:
            rows.setdefault(split, []).append(Example(row.place, row.fields))
        elif strict:
            raise row.error
        else:
            skipped.setdefault(split, []).append(str(row.error))
    if "train" not in rows:  # a table of any name is for learning, unless others have names of splits
        rows["train"], skipped["train"] = rows.pop(None, []), skipped.pop(None, [])
    learnt = rows["train"]
    if not learnt:
        bad = skipped["train"]
        got = f"{len(bad):,} bad rows, the first: {bad[0]}" if bad else "no rows for training"
        raise DataError(path, "expected rows to learn from", got=got)
    if "validation" not in rows:
        held = hold_out([example.fields.get("file", number) for number, example in enumerate(learnt)])
        rows["validation"] = [example for example, out in zip(learnt, held, strict=True) if out]
        rows["train"] = [example for example, out in zip(learnt, held, strict=True) if not out]
        if not rows["validation"]:
            raise DataError(path, "expected at least two rows, one to learn from and one to validate", got=1)
    return Records(
        path,
        {name: tuple(rows[name]) for name in SPLITS if name in rows},
        tuple(dict.fromkeys(name for example in learnt for name in example.fields)),
        {name: tuple(skipped[name]) for name in SPLITS if skipped.get(name)},
        strict,
    )


def _tables(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in READERS else []
    metadata = sorted(path.rglob(METADATA))
    return metadata or sorted(file for file in path.rglob("*") if file.suffix.lower() in READERS)


def _recordings(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in RECORDINGS)


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


def _by_folder(path: Path) -> Iterator[tuple[Path, Row]]:
    """FeatureCache in a folder for each label."""
    for file in _recordings(path):
        yield file, Row(str(file), {"file": file.resolve(), "label": file.parent.name})


def read_inputs(path: Path) -> Sequence[Example]:
    """The rows of a table that is to be predicted: no splits, and bad rows are errors.

    Raises:
        DataError: the table or a row of it cannot be read.
    """
    examples = []
    for row in _rows_of(path):
        if row.error is not None:
            raise row.error
        examples.append(Example(row.place, row.fields))
    return examples
