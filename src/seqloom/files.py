"""Write a file atomically: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from seqloom.errors import RunError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write or replace a file: whatever happens, a reader finds the old content or the new.

    Args:
        path: in a folder that exists.
        content: text is written as UTF-8.

    Raises:
        RunError: it cannot be written, for example because the disk is full; the old content stays.
    """
    # Always the same name: what a killed process leaves behind is overwritten the next time.
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too, where a power cut cannot undo it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


UNTOUCHED = "What was there before is untouched; make room or name another folder with --out"


def cannot_write(path: Path, error: OSError, hint: str = UNTOUCHED) -> RunError:
    """The error for a full disk, missing permission, and the like."""
    return RunError(path, "cannot be written", got=error.strerror or str(error), hint=hint)
