"""From a path to data: recognizes the format of a file or folder and reads it."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.tables.records import Records, contains_records, read_records
from seqloom.data.text.corpus import TextCorpus, read_text
from seqloom.errors import DataError

SUPPORTED = "a .txt, .csv, .tsv, .jsonl, .parquet or .conll file, or a folder of such files or of recordings"
UNSUPPORTED = {
    ".zip": "Unpack it first",
    ".gz": "Unpack it first",
    ".xlsx": "Save it as .csv",
    ".docx": "Save it as .txt",
    ".pdf": "Save its text as .txt",
    ".mid": "MIDI files are not supported",
}
"""Formats that would be taken for text, with a hint"""


def read(path: Path | str, strict: bool = False) -> TextCorpus | Records:
    """Read a table, a folder of tables, a folder of recordings, or plain text.

    Args:
        path: a file or a folder.
        strict: whether a bad row is an error; otherwise it is skipped and counted.

    Returns:
        `Records` for tables and recordings. `TextCorpus` for text, which is not read yet, only its layout.

    Raises:
        DataError: there is no such path, or its format is not supported.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(path, f"expected {SUPPORTED}", got="no such file or folder")
    if contains_records(path):
        return read_records(path, strict)
    hint = UNSUPPORTED.get(path.suffix.lower())
    if path.is_file() and hint is not None:
        raise DataError(path, f"expected {SUPPORTED}", got=f"a {path.suffix} file", hint=hint)
    return read_text(path)
