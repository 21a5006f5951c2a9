"""One trainer a run folder: a lock of the operating system, which the death of its holder releases."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import final

from seqloom.errors import RunError
from seqloom.files import cannot_write, remove_partial

FILE = Path("resume") / "lock"
SECONDS_TO_LOCK = 60.0
"""A folder that is being made has its lock by then."""


@final
class RunLock:
    """The right to write a run folder. `release` or the end of the process, however it ends, gives it back.

    Args:
        folder: with a folder `resume` in it.

    Raises:
        RunError: another process has it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file = (folder / FILE).open("a+b")
        except OSError as error:
            raise cannot_write(folder / FILE, error) from None
        if not _try_lock(self._file.fileno()):
            self._file.seek(0)
            holder = self._file.read(200).decode(errors="replace").strip()
            self._file.close()
            raise RunError(
                folder,
                "is being trained by another process",
                got=holder or "no name of it",
                hint="Wait until it is done, stop it, or name another folder with --out",
            )
        try:
            self._file.truncate(0)
            os.write(self._file.fileno(), f"process {os.getpid()} on {os.uname().nodename}\n".encode())
            for part in (folder, folder / FILE.parent):
                remove_partial(part)
        except OSError as error:
            self._file.close()
            raise cannot_write(folder / FILE, error) from None

    def release(self) -> None:
        """Let another process train."""
        self._file.close()


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove what killed processes have left of run folders of this name before these could be resumed.

    Returns:
        What was removed.
    """
    pattern = re.compile(re.escape(f".{folder.name}.") + "[a-z0-9_]{8}")  # as tempfile.mkdtemp names them
    removed = []
    for path in folder.parent.glob(".*"):
        if pattern.fullmatch(path.name) and path.is_dir() and not path.is_symlink() and not _is_in_use(path):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def _is_in_use(folder: Path) -> bool:
    lock = folder / FILE
    try:
        if not lock.exists():
            return time.time() - folder.stat().st_mtime < SECONDS_TO_LOCK
        with lock.open("rb") as file:
            return not _try_lock(file.fileno())
    except OSError:  # somebody else has just removed or renamed it
        return True


def _try_lock(descriptor: int) -> bool:
    """Take the lock of an open file without waiting. Where the system has no such locks, it is taken."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
