"""Files that rows name or are: recordings, clips, pictures; which kind they are by their endings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from seqloom.data.tables.formats.speech import AUDIO_SUFFIXES

if TYPE_CHECKING:
    from seqloom.data.tables.records import Records

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv", ".flv", ".3gp"),
)
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".pnm", ".jp2"),
)
MEDIA_SUFFIXES = (*AUDIO_SUFFIXES, *VIDEO_SUFFIXES, *IMAGE_SUFFIXES)
"""Of files that are rows by themselves, in a folder for each label"""


def has_files(data: Records, suffixes: Iterable[str]) -> bool:
    """Whether the first training row that names a file names one with such an ending, in lower case."""
    if "file" not in data.columns:
        return False
    for example in data.examples("train"):
        value = example.fields.get("file")
        if isinstance(value, str | Path) and str(value).strip():
            return Path(value).suffix.lower() in suffixes
    return False
