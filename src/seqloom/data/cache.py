"""The cache: files that are made once of large data, and never changed under their name.

What nothing asked for in a month is deleted once the cache is large. Between the question whether it is there
and its deletion is a lock; who has opened a file reads on when it is deleted.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqloom.files import cannot_write

log = logging.getLogger("seqloom")

SECONDS_UNTIL_UNUSED = 30 * 86_400.0
SECONDS_BETWEEN_CLEANINGS = 86_400.0
MAX_BYTES = 20 * 10**9
"""What is not used is deleted beyond it"""
LOCK = "lock"
TAG = "CACHEDIR.TAG"
"""Of a folder that is a cache and nothing else, which programs that back up know too (bford.info/cachedir)"""
SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
KEY = re.compile("[0-9a-f]{16,128}")
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
    Whoever asks for it once more has it for the next 30 days, however large the cache is.

    Args:
        kind: the folder of such folders.
        key: its name: a hash of all that its content depends on.
        write: writes files into the folder that it is given.

    Raises:
        RunError: the cache cannot be written, for example because the disk is full.
    """
    target = cache_folder() / kind / key
    if _is_there(target):
        return target
    try:
        _tag(cache_folder())
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
    _clean(cache_folder())
    return target


def _tag(root: Path) -> None:
    """Make the folder of the cache, and say in it that it is one, unless other things may be in it."""
    try:
        root.mkdir(parents=True)
    except FileExistsError:
        if os.environ.get("SEQLOOM_CACHE") or (root / TAG).exists():
            return
    (root / TAG).write_bytes(SIGNATURE + b"\n# This folder is seqloom's cache, and may be deleted.\n")


def _is_there(target: Path) -> bool:
    """Whether the cache has a folder, which is used now."""
    with _locked(cache_folder()):
        if not target.is_dir():
            return False
        with suppress(OSError):  # another user's, who alone may delete it
            os.utime(target)
        return True


@contextmanager
def _locked(root: Path, is_deleting: bool = False) -> Iterator[bool]:
    """Whether the lock of the cache is held, which many may hold who only look."""
    if sys.platform == "win32":
        yield False
        return
    import fcntl

    try:
        descriptor = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:  # no cache yet, or one that may only be read
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if is_deleting else fcntl.LOCK_SH)
        except OSError:  # a file system without locks
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _clean(root: Path) -> None:
    """Once a day: delete what is not used, of a cache that is too large, and say how large it is."""
    try:
        if time.time() - (root / LOCK).stat().st_mtime < SECONDS_BETWEEN_CLEANINGS:
            return
        os.utime(root / LOCK)
        is_tagged = (root / TAG).exists() and (root / TAG).read_bytes().startswith(SIGNATURE)
        entries = sorted(_entries(root))
    except OSError:  # another process cleans, or there are no locks
        return
    size = sum(num_bytes for _, num_bytes, _ in entries)
    if size <= MAX_BYTES:
        return
    count, before = 0, size
    for _, num_bytes, path in entries:
        if is_tagged and size > MAX_BYTES and _delete_unused(root, path):
            count, size = count + 1, size - num_bytes
    text = f"the cache {root} has {size / 1e9:.1f} GB, and may be deleted whenever no training reads it"
    if count:
        deleted = f"{(before - size) / 1e9:.1f} GB that nothing used for 30 days"
        text += f"; {count:,} of its folders are deleted, {deleted}"
    log.warning("%s", text)


def _entries(root: Path) -> Iterator[tuple[float, int, Path]]:
    """When each folder of the cache was last used, and its size."""
    for path in root.glob("*/*"):
        if KEY.fullmatch(path.name) and path.is_dir():
            yield path.stat().st_mtime, sum(file.stat().st_size for file in path.iterdir()), path


def _delete_unused(root: Path, path: Path) -> bool:
    """Delete a folder of the cache unless it is used; whether it was deleted."""
    deleted = path.with_name(f"{PARTIAL}{secrets.token_hex(8)}")
    with _locked(root, is_deleting=True) as is_locked:
        try:
            if not is_locked or time.time() - path.stat().st_mtime < SECONDS_UNTIL_UNUSED:
                return False
            os.rename(path, deleted)
        except OSError:
            return False
    shutil.rmtree(deleted, ignore_errors=True)
    return True


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
