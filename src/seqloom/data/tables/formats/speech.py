"""Layouts of speech corpora: LJSpeech's `metadata.csv`, and Common Voice's tables beside `clips/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seqloom.data.compression import content_name
from seqloom.data.tables.formats.file import Row, TableFile
from seqloom.errors import DataError

METADATA_NAMES = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.ndjson", "metadata.parquet")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
LJSPEECH_FOLDERS = ("wavs", "wav", "")
CLIPS = "clips"


def is_metadata(table: Path) -> bool:
    """Whether a table, by its name, says what the files beside it are.

    >>> is_metadata(Path("data/METADATA.CSV"))
    True
    """
    return content_name(table).name.lower() in METADATA_NAMES


def clips_folder(table: Path, column: str) -> str:
    """The folder beside a table of Common Voice in which its column `path` names files; empty for others."""
    return CLIPS if column == "path" and (table.parent / CLIPS).is_dir() else ""


def recording_folders(table: Path) -> list[str]:
    """The folders beside a table whose presence decides where its recordings are."""
    return [name for name in (CLIPS, *LJSPEECH_FOLDERS) if (table.parent / name).is_dir()]


def find_ljspeech(file: TableFile) -> str | None:
    """The folder of the recordings if a `metadata.csv` has LJSpeech's layout: `id|text|normalized text`.

    It has no header, and the first identifier is the name of a recording.
    """
    if not is_metadata(file.path) or file.options.header or file.options.columns or file.options.separator:
        return None
    values = file.first_lines()[0].split("|")
    if len(values) not in (2, 3) or not values[0]:
        return None
    folders = (folder for folder in LJSPEECH_FOLDERS if _find_recording(file.path.parent / folder, values[0]))
    return next(folders, None)


def read_ljspeech(file: TableFile, folder: str) -> Iterator[Row]:
    """Recordings with their normalized text; a quote is a character."""
    file.note(
        "metadata.csv has LJSpeech's layout: the name of a recording, its text, and the text as it is read, "
        "which is the transcription"
    )
    suffix = ""
    with file.open_text() as text:
        for number, line in enumerate(text, 1):
            place = f"{file.path}, line {number}"
            values = line.rstrip("\r\n").split("|")
            if not line.strip():
                continue
            if len(values) not in (2, 3):
                yield Row(place, {}, DataError(place, "expected 2 or 3 columns", got=len(values)))
                continue
            if number == 1:
                suffix = _find_recording(file.path.parent / folder, values[0]) or ""
            name = values[0] if values[0].lower().endswith(AUDIO_SUFFIXES) else values[0] + suffix
            yield Row(place, {"file": f"{folder}/{name}".lstrip("/"), "transcription": values[-1]})


def _find_recording(folder: Path, name: str) -> str | None:
    """The suffix that makes `name` the name of a recording in a folder; a name may have it already."""
    if name.lower().endswith(AUDIO_SUFFIXES):
        return name if _is_file(folder / name) else None
    return next((suffix for suffix in AUDIO_SUFFIXES if _is_file(folder / f"{name}{suffix}")), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text that is too long for a name
        return False
