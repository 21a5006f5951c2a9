"""The cache: files that are made once of large data, and never changed under their name."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from seqloom.files import cannot_write

SECONDS_UNTIL_ABANDONED = 86_400.0
"""What a killed process left half-written is deleted after a day."""
PARTIAL = ".partial-"
HINT = "Make room, or name another folder by the environment variable SEQLOOM_CACHE"


def cache_folder() -> Path:
    """The folder that `SEQLOOM_CACHE` names, or else seqloom's in the user's cache. It may be deleted."""
    folder = os.environ.get("SEQLOOM_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) if folder else Path(base) / "seqloom"


def cached_folder(kind: str, key: str, write: Callable[[Path], object]) -> Path:
    """A folder of the cache, which `write` fills unless it is there: whole or not at all.

    Processes that need the same folder at the same time each write one of their own, and all use the first.

    Args:
        kind: the folder of such folders.
        key: its name: a hash of all that its content depends on.
        write: writes files into the folder that it is given.

    Raises:
        RunError: the cache cannot be written, for example because the disk is full.
    """
    target = cache_folder() / kind / key
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _delete_abandoned(target.parent)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=target.parent))
        try:
            write(partial)
            _sync(partial)
            _rename(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise cannot_write(target, error, HINT) from None
    return target


def _rename(partial: Path, target: Path) -> None:
    try:
        os.rename(partial, target)
    except OSError:
        if not target.is_dir():  # otherwise another process was first
            raise


def _sync(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _delete_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{PARTIAL}*"):
        try:
            if time.time() - path.stat().st_mtime > SECONDS_UNTIL_ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
        except FileNotFoundError:  # another process deleted it
            continue
