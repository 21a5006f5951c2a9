"""Where the rows of a data set come from: tables, captions, parallel texts, or files in folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from seqloom.data.compression import content_suffix, is_compressed
from seqloom.data.folders import DataFiles, list_files
from seqloom.data.images.idx import IdxPair, count_pictures, find_idx_pairs, read_idx_labels, refer
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.data.splits import infer_split
from seqloom.data.tables.columns import ANY_COLUMNS, ExpectedColumns
from seqloom.data.tables.formats.captions import CaptionFile, find_captions
from seqloom.data.tables.formats.file import Row
from seqloom.data.tables.formats.media import MEDIA_SUFFIXES
from seqloom.data.tables.formats.parallel import ParallelFiles, find_parallel, read_parallel
from seqloom.data.tables.formats.speech import is_metadata
from seqloom.data.tables.formats.table import READERS
from seqloom.data.tables.reader import TableReader
from seqloom.errors import DataError

STRAY_SUFFIXES = (".json",)
"""Of tables, and of much else: in a folder they count where they are named after a split, or are alone."""


class Source(NamedTuple):
    """A table, captions, a pair of parallel texts or of idx files, a recording, a clip or a picture."""

    path: Path
    split: str | None
    """The split that it is named after"""
    files: tuple[Path, ...]
    pair: ParallelFiles | None = None
    idx: IdxPair | None = None
    captions: CaptionFile | None = None


class Sources(NamedTuple):
    """What a data set is made of: captions, or else tables, parallel texts, idx files, or recordings."""

    data_files: DataFiles
    tables: Sequence[Path]
    pairs: Sequence[ParallelFiles]
    idx_pairs: Sequence[IdxPair]
    recordings: Sequence[Path]
    reader: TableReader
    captions: Sequence[CaptionFile] = ()

    @property
    def pair_files(self) -> list[Path]:
        """Those of parallel texts."""
        return [file for pair in self.pairs for file in pair.files.values()]

    @property
    def files(self) -> list[Path]:
        """All of them."""
        captions = dict.fromkeys(file for part in self.captions for file in part.files)
        idx_files = [file for pair in self.idx_pairs for file in pair]
        return [*self.tables, *captions, *self.pair_files, *idx_files, *self.recordings]

    def split_of(self, file: Path) -> str | None:
        """The split that a file is named after; None for one without such a name, and for a single file."""
        if file == self.data_files.path:
            return None
        split_of_pair = {file: pair.split for pair in self.pairs for file in pair.files.values()}
        split_of_pair |= {file: "test" for pair in self.idx_pairs if pair.is_test for file in pair}
        return split_of_pair[file] if file in split_of_pair else infer_split(file, self.data_files.path)

    def in_order(self) -> list[Source]:
        """All sources; training comes first, as the columns of others follow its own."""
        tables = [Source(table, self.split_of(table), (table,)) for table in self.tables]
        pairs = [Source(pair.path, pair.split, tuple(pair.files.values()), pair) for pair in self.pairs]
        idx = [
            Source(pair.images, self.split_of(pair.images), tuple(pair), idx=pair) for pair in self.idx_pairs
        ]
        recordings = [Source(file, self.split_of(file), (file,)) for file in self.recordings]
        captions = [Source(part.path, part.split, part.files, captions=part) for part in self.captions]
        sources = [*tables, *captions, *pairs, *idx, *recordings]
        return sorted(sources, key=lambda source: source.split != "train")

    def rows_of(self, source: Source) -> Iterator[Row]:
        """The rows of a source, in one pass.

        Raises:
            DataError: it cannot be read.
        """
        if source.captions is not None:
            return source.captions.read(self.reader.note)
        if source.pair is not None:
            return self.reader.rename(source.path, read_parallel(source.pair, self.reader.options))
        if source.idx is not None:
            return _rows_of_idx(source.idx)
        if self.recordings:  # labeled by the names of their folders
            fields = {"file": source.path.resolve(), "label": source.path.parent.name}
            return iter([Row(str(source.path), fields)])
        return rows_of(source.path, self.reader)

    def find_unlabeled(self, split: str) -> list[Path]:
        """The tables of a split if, once they are read, none of its rows has what training's rows have."""
        tables = [table for table in self.tables if self.split_of(table) == split]
        others = [table for table in self.tables if table not in tables]
        has_targets = self.reader.has_targets
        is_unlabeled = any(map(has_targets, others)) and not any(map(has_targets, tables))
        return tables if is_unlabeled else []


def find_sources(
    path: Path, options: ReadOptions = READ_DEFAULTS, expected: ExpectedColumns = ANY_COLUMNS
) -> Sources:
    """Find what a data set is made of; nothing, where it is a text.

    Args:
        path: a table, or a folder.
        options: how tables are read.
        expected: what is known of the columns.

    Raises:
        DataError: a folder cannot be read, or holds parallel texts in more than two languages.
    """
    data_files = list_files(path)
    tables = _find_tables(data_files)
    captions = [] if any(map(is_metadata, tables)) else find_captions(data_files)
    tables = [] if captions else tables
    pairs = [] if tables or captions else find_parallel(data_files, options)
    if pairs:  # the first language is the source, unless another is known or chosen
        languages = dict(zip(("source", "target"), pairs[0].files, strict=True))
        expected = expected._replace(known={**languages, **expected.known})
    reader = TableReader(options, path if path.is_dir() else path.parent, expected)
    has_rows = bool(tables or captions or pairs or not path.is_dir())
    idx_pairs = [] if has_rows else find_idx_pairs(data_files.files)
    recordings = [] if has_rows or idx_pairs else _find_recordings(data_files)
    return Sources(data_files, tables, pairs, idx_pairs, recordings, reader, captions)


def contains_records(path: Path, options: ReadOptions = READ_DEFAULTS) -> bool:
    """Whether `path` is a table, or a folder that contains tables, parallel texts or recordings."""
    return bool(find_sources(path, options).files)


def _find_tables(data_files: DataFiles) -> list[Path]:
    tables = data_files.with_suffix(READERS)
    if data_files.path.is_dir() and len(data_files.with_suffix([*READERS, ".txt", *MEDIA_SUFFIXES])) > 1:
        tables = [
            table
            for table in tables
            if content_suffix(table) not in STRAY_SUFFIXES or infer_split(table, data_files.path)
        ]
    return [table for table in tables if is_metadata(table)] or tables


def _find_recordings(data_files: DataFiles) -> list[Path]:
    return [file for file in data_files.with_suffix(MEDIA_SUFFIXES) if not is_compressed(file)]


def _rows_of_idx(pair: IdxPair) -> Iterator[Row]:
    """Pictures of an idx file with their labels, which are in another; both must be as many.

    Raises:
        DataError: they are not, or a file cannot be read.
    """
    count, images = count_pictures(pair.images), pair.images.resolve()
    labels = list(read_idx_labels(pair.labels))
    if len(labels) != count:
        expected = f"must have as many labels as {pair.images.name} has pictures, {count:,}"
        raise DataError(pair.labels, expected, got=f"{len(labels):,}")
    for number, label in enumerate(labels):
        yield Row(f"{pair.images}, picture {number}", {"file": refer(images, number), "label": str(label)})


def rows_of(table: Path, reader: TableReader) -> Iterator[Row]:
    """The rows of a table; a relative `file` is beside the table.

    Raises:
        DataError: the table cannot be read, or is a `metadata.csv` that names no files.
    """
    names_files = is_metadata(table)
    for row in reader.read(table):
        name = row.fields.get("file")
        if row.error is None and name is None and names_files:
            raise DataError(table, "expected a column file_name", got=", ".join(row.fields))
        if row.error is None and isinstance(name, str | Path) and str(name):
            try:
                file = (table.parent / name).resolve()
            except (OSError, ValueError) as error:  # a name with a null character, or one that is too long
                got = getattr(error, "strerror", None) or str(error)
                bad = DataError(row.place, "`file` must be the path of a file", got=got)
                yield Row(row.place, {}, bad)
                continue
            named = Row(row.place, {**row.fields, "file": file})
            yield reader.check_place(named, table.parent / name) if names_files else named
        else:
            yield row
