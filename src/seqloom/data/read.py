"""From a path to data, by what lies there."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.tables.records import Records, is_records, read_records
from seqloom.data.text.corpus import TextCorpus, read_text
from seqloom.errors import DataError

KNOWN = "a .txt, .csv, .tsv, .jsonl, .parquet or .conll file, or a folder of such, or of recordings"


def read(path: Path | str, strict: bool = False) -> TextCorpus | Records:
    """Recognize what lies at `path` and read it; of text, its outline.

    Args:
        path: a file or a folder.
        strict: whether one bad row among many is an error; else it is skipped and counted.

    Raises:
        DataError: nothing is there, or nothing that is known.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(path, f"expected {KNOWN}", got="no such file or folder")
    if is_records(path):
        return read_records(path, strict)
    if path.is_file() and path.suffix.lower() in (".zip", ".gz", ".xlsx", ".docx", ".pdf", ".mid"):
        raise DataError(path, f"expected {KNOWN}", got=f"a {path.suffix} file")
    return read_text(path)
