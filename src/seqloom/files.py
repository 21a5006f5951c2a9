"""Write a file atomically: whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqloom.errors import RunError

PARTIAL_SUFFIX = ".partial"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write or replace a file: whatever happens, a reader finds the old content or the new.

    Args:
        path: in a folder that exists.
        content: text is written as UTF-8.

    Raises:
        RunError: it cannot be written, for example because the disk is full; the old content stays.
    """
    with replace_atomically(path) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Give the path of a file to write to, which then takes the name `path`: whole, or not at all.

    Several processes and threads may write the same file at the same time: the last one's content stays.

    Args:
        path: in a folder that exists.

    Raises:
        RunError: it cannot be written, for example because the disk is full; the old content stays.
    """
    # In a folder of its own, because a library that writes may put files of its own beside it.
    folder = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    partial = folder / path.name
    try:
        folder.mkdir()
        partial.touch()
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        folder.rmdir()
        sync_folder(path.parent)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def require_new_file(path: Path, overwrite: bool = False) -> None:
    """Refuse the name of a file that cannot be written, before there is anything to write.

    Args:
        path: what a user wants to be written.
        overwrite: whether a file of that name may be replaced.

    Raises:
        RunError: there is such a file, or no such folder.
    """
    if not path.parent.is_dir():
        raise RunError(path, "expected a folder that exists", got=f"{path.parent}, which does not")
    if path.is_dir() or (path.exists() and not overwrite):
        got = "a folder" if path.is_dir() else "one that exists"
        raise RunError(path, "expected a new file", got=got, hint="Name another, or add --overwrite")


def keep_previous(path: Path, previous: Path) -> None:
    """Keep a file, before another takes its name, under the name `previous`, if there is one.

    Raises:
        RunError: the folder cannot be written.
    """
    if not path.exists():
        return
    link = previous.with_name(f".{previous.name}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    try:
        try:
            os.link(path, link)
        except OSError:  # a file system without hard links: for a moment there is only the previous one
            link = path
        os.replace(link, previous)
    except OSError as error:
        raise cannot_write(previous, error) from None


def remove_partial(folder: Path) -> None:
    """Remove what a killed writer of `folder` has left; whoever calls it must be the only writer."""
    for partial in folder.glob(f".*{PARTIAL_SUFFIX}"):
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put new names on the disk too, where a power cut cannot undo them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


UNTOUCHED = "What was there before is untouched; make room or name another folder with --out"


def cannot_write(path: Path, error: OSError, hint: str = UNTOUCHED) -> RunError:
    """The error for a full disk, missing permission, and the like."""
    return RunError(path, "cannot be written", got=error.strerror or str(error), hint=hint)
