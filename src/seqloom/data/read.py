"""From a path to data: recognizes the format of a file or folder and reads it."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.compression import content_suffix, refuse_companion
from seqloom.data.music.dataset import Music
from seqloom.data.music.folder import find_midi_files, read_midi_folder
from seqloom.data.music.rolls.reading import contains_rolls, read_rolls
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.data.series.rows.files import contains_series
from seqloom.data.series.rows.reading import read_series
from seqloom.data.series.table import SeriesTable
from seqloom.data.tables.columns import ANY_COLUMNS, ExpectedColumns
from seqloom.data.tables.formats.captions import contains_captions
from seqloom.data.tables.records import Records, read_records
from seqloom.data.tables.sources import contains_records
from seqloom.data.text.corpus import TextCorpus, read_text
from seqloom.errors import DataError

SUPPORTED = (
    "a .txt, .csv, .tsv, .json, .jsonl, .parquet, .conll or .conllu file, perhaps compressed (.gz, .bz2, "
    ".xz), or a folder of such files, of recordings, of pictures, of MIDI files or of piano rolls (.mat, "
    ".npz, .json)"
)
UNPACK = "Unpack it first"
UNSUPPORTED = {
    **dict.fromkeys(
        (".zip", ".gz", ".bz2", ".xz", ".tar", ".tgz", ".7z", ".rar", ".zst", ".lz4", ".z"), UNPACK
    ),
    ".xlsx": "Save it as .csv",
    ".xls": "Save it as .csv",
    ".docx": "Save it as .txt",
    ".pdf": "Save its text as .txt",
}
"""Formats that would be taken for text, with a hint"""
MARKUP_SUFFIXES = (".json", ".ndjson", ".conllu")
"""Of tables that are a text where one is asked for"""


def read(
    path: Path | str,
    strict: bool = False,
    options: ReadOptions = READ_DEFAULTS,
    expected: ExpectedColumns = ANY_COLUMNS,
    *,
    as_text: bool = False,
    as_series: bool | None = None,
) -> TextCorpus | Records | Music | SeriesTable:
    """Read a table, a folder of tables, a folder of recordings, parallel texts, music, series, or plain text.

    Args:
        path: a file or a folder.
        strict: whether a bad row is an error; otherwise it is skipped and counted.
        options: how it is read: columns, separator, encoding, header, names.
        expected: what is known of the columns of tables.
        as_text: whether a text is asked for, where a file could be either.
        as_series: whether series are asked for; None: by what a table has.

    Returns:
        `Records` for tables and recordings. `SeriesTable` for series of numbers. `Music` for MIDI files and
        piano rolls. `TextCorpus` for text. Of MIDI files and text, only the layout is read yet.

    Raises:
        DataError: there is no such path, or its format is not supported.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(path, f"expected {SUPPORTED}", got="no such file or folder")
    if path.is_file():
        refuse_companion(path)
    elif not path.is_dir():  # it would be waited for
        raise DataError(path, f"expected {SUPPORTED}", got="a pipe or a device")
    if (midi_files := find_midi_files(path)) is not None:
        return read_midi_folder(midi_files, strict)
    if not as_text and contains_captions(path):
        return read_records(path, strict, options, expected)
    if not as_text and contains_rolls(path):
        return read_rolls(path, strict)
    if as_series or (as_series is None and not as_text and contains_series(path, options, expected)):
        return read_series(path, strict, options, expected)
    if not (as_text and is_readable_as_text(path)) and contains_records(path, options):
        return read_records(path, strict, options, expected)
    suffix = content_suffix(path)
    if path.is_file() and suffix in UNSUPPORTED:
        raise DataError(path, f"expected {SUPPORTED}", got=f"a {suffix} file", hint=UNSUPPORTED[suffix])
    return read_text(path, options)


def is_readable_as_text(path: Path) -> bool:
    """Whether what may be a table can be meant as a text: JSON, CoNLL-U, or parallel `.txt` files."""
    from seqloom.data.tables.sources import find_sources

    return content_suffix(path) in MARKUP_SUFFIXES or (path.is_dir() and bool(find_sources(path).pairs))
