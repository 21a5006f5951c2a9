"""From a path to data, by what lies there."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.text import Text, read_text


def read(path: Path | str) -> Text:
    """Recognise what lies at `path` and read its outline: text is the one kind so far.

    Raises:
        DataError: nothing is there, or nothing that is known.
    """
    return read_text(path)
