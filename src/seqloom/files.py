"""Write a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from seqloom.errors import RunError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Put `content` at `path`: a reader finds what was there before or all of the new, whatever happens.

    Raises:
        RunError: it cannot be written, for example because the disk is full; what was there stays.
    """
    # One name, so that what a kill leaves behind is overwritten the next time.
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _remember(path.parent)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def _remember(folder: Path) -> None:
    """Put the folder's list of names on the disk too: a power cut may not undo the new name."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


UNTOUCHED = "What was there before is untouched; make room or name another folder with --out"


def cannot_write(path: Path, error: OSError, hint: str = UNTOUCHED) -> RunError:
    """The one line for a disk that is full, a folder that is not ours, and the like."""
    return RunError(path, "cannot be written", got=error.strerror or str(error), hint=hint)
