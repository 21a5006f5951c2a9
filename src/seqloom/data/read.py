"""From a path to data: recognizes the format of a file or folder and reads it."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.tables.records import Records, contains_records, read_records
from seqloom.data.text.corpus import TextCorpus, read_text
from seqloom.errors import DataError

SUPPORTED = "a .txt, .csv, .tsv, .jsonl, .parquet or .conll file, or a folder of such files or of recordings"
UNSUPPORTED_SUFFIXES = (".zip", ".gz", ".xlsx", ".docx", ".pdf", ".mid")


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
    if path.is_file() and path.suffix.lower() in UNSUPPORTED_SUFFIXES:
        raise DataError(path, f"expected {SUPPORTED}", got=f"a {path.suffix} file")
    return read_text(path)
