"""A disk that fails once: the n-th call that changes a folder raises an error, or the process ends there."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final
from unittest import mock

import pytest

from seqloom.runs import weights

ENOSPC, EIO, KILL = "ENOSPC", "EIO", "kill"
HOW = (ENOSPC, EIO, KILL)
KILLED = 137
RENAMING = ("replace", "rename", "link")


@final
class Disk:
    """Counts the calls that change `folder`, and lets one of them fail.

    Args:
        folder: whatever is in it counts.
        fails_at: the number of the call, from 0; None: none fails.
        how: `ENOSPC` or `EIO`, after half of what is written; or `kill`, the end of the process there.
    """

    def __init__(self, folder: Path, fails_at: int | None = None, how: str = ENOSPC) -> None:
        self.folder, self.fails_at, self.how = os.path.realpath(folder), fails_at, how
        self.calls: list[str] = []

    def _fails(self, name: str, path: Any) -> bool:
        """Count a call; whether it is the one."""
        path = os.path.realpath(f"/proc/self/fd/{path}" if isinstance(path, int) else path)
        if not path.startswith(f"{self.folder}{os.sep}"):
            return False
        self.calls.append(f"{name} {os.path.basename(path)}")
        return len(self.calls) - 1 == self.fails_at

    def _fail(self, path: Any) -> None:
        if self.how == KILL:
            os._exit(KILLED)
        code = getattr(errno, self.how)
        raise OSError(code, os.strerror(code), str(path))

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if self._fails(name, arguments[0] if name in RENAMING else path):
                self._fail(path)
            return function(path, *arguments, **options)

        return call

    def _write(self, path: Path, content: bytes) -> int:
        fails = self._fails("write", path)
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2] if fails else content)
        if fails:
            self._fail(path)
        return len(content)

    def _save_tensors(self, tensors: Any, path: Path, metadata: Any) -> None:
        fails = self._fails("write", path)
        SAVE_FILE(tensors, path, metadata)
        if fails:
            os.truncate(path, path.stat().st_size // 2)
            self._fail(path)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Watch this process."""
        with contextlib.ExitStack() as stack:
            for name in ("fsync", "mkdir", *RENAMING, "chmod"):
                function = _do_nothing if name == "fsync" else getattr(os, name)
                wrapped = self._wrapped(name, function)
                stack.enter_context(mock.patch.object(os, name, wrapped))
            stack.enter_context(
                mock.patch.object(Path, "write_bytes", lambda path, data: self._write(path, data))
            )
            touch = self._wrapped("touch", Path.touch)
            stack.enter_context(
                mock.patch.object(Path, "touch", lambda path, **options: touch(path, **options))
            )
            stack.enter_context(mock.patch.object(weights, "save_file", self._save_tensors))
            yield


def _do_nothing(descriptor: int) -> None:
    """There is no power cut here, and to wait for a disk takes most of the time."""


SAVE_FILE = weights.save_file


def count_calls(work: Callable[[Path], object]) -> list[str]:
    """The calls that change the folder in which `work` works."""
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder))
        with disk.watched():
            work(Path(folder))
    return disk.calls


def run_with_fault(
    work: Callable[[Path], object], folder: Path, number: int, how: str
) -> BaseException | None:
    """What `work` raises on a disk whose call of that number fails; None also where the process is killed."""
    disk = Disk(folder, number, how)
    if how != KILL:
        try:
            with disk.watched():
                work(folder)
        except Exception as error:
            return error
        return None
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), disk.watched():
            work(folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) != KILLED:
        pytest.fail(f"call {number} was never made")
    return None
