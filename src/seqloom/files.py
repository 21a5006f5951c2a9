"""Write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from seqloom.errors import RunError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Put `content` at `path`: a reader finds what was there before or all of the new, whatever happens.

    Raises:
        RunError: it cannot be written, for example because the disk is full; what was there stays.
    """
    data = content.encode() if isinstance(content, str) else content
    name = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            name = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException as error:
        if name is not None and os.path.exists(name):
            os.unlink(name)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


UNTOUCHED = "What was there before is untouched; make room or name another folder with --out"


def cannot_write(path: Path, error: OSError, mend: str = UNTOUCHED) -> RunError:
    """The one line for a disk that is full, a folder that is not ours, and the like."""
    return RunError(path, "cannot be written", got=error.strerror or str(error), mend=mend)
