"""A disk that fails: the n-th call that changes a folder raises an error, or the process ends there."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import signal
import socket
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, final
from unittest import mock

import pytest
from accelerate.state import AcceleratorState

from seqloom.runs import weights

ENOSPC, EIO, KILL, STOP = "ENOSPC", "EIO", "kill", "stop"
FULL, BROKEN = "full", "broken"
HOW = (ENOSPC, EIO, KILL, FULL, BROKEN)
KILLED = 137
RENAMING = ("replace", "rename", "link")
FREEING = ("truncate", "unlink", "rmdir", *RENAMING, "chmod", "fsync")
"""What a full disk lets be done"""
OPEN = io.open
SAVE_FILE = weights.save_file


@final
class Disk:
    """Counts the calls that change `folder`, and lets one of them fail.

    Args:
        folder: whatever is in it counts.
        fails_at: the number of the call, from 0; None: none fails.
        how: `ENOSPC` or `EIO`, after half of what is written; `full` or `broken`, the same of all calls from
            there on; or `kill`, the end of the process there, or `stop`, until another process continues it,
            after half of what is written.
    """

    def __init__(self, folder: Path, fails_at: int | None = None, how: str = ENOSPC) -> None:
        self.folder, self.fails_at, self.how = os.path.realpath(folder), fails_at, how
        self.calls: list[str] = []

    def holds(self, path: Any) -> bool:
        """Whether a file, by its name or descriptor, is in the folder."""
        return _name(path).startswith(f"{self.folder}{os.sep}")

    def fails(self, name: str, path: Any) -> bool:
        """Count a call; whether it fails."""
        if not self.holds(path):
            return False
        self.calls.append(f"{name} {os.path.basename(_name(path))}")
        number = len(self.calls) - 1
        if self.fails_at is None or number < self.fails_at:
            return False
        if number == self.fails_at or self.how == BROKEN:
            return True
        return self.how == FULL and name not in FREEING

    def fail(self, path: Any) -> None:
        """Raise what the disk answers, or end the process."""
        if self.how == KILL:
            os._exit(KILLED)
        if self.how == STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        code = errno.ENOSPC if self.how in (ENOSPC, FULL) else errno.EIO
        raise OSError(code, os.strerror(code), str(path))

    def _wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            folder = options.get("dir_fd")
            changed = arguments[0] if name in RENAMING else path
            if self.fails(name, changed if folder is None else f"{_name(folder)}/{changed}"):
                self.fail(path)
            return function(path, *arguments, **options)

        return call

    def _write(self, descriptor: int, content: bytes) -> int:
        if not self.fails("write", descriptor):
            return WRITE(descriptor, content)
        WRITE(descriptor, content[: len(content) // 2])
        self.fail(_name(descriptor))
        return 0

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *arguments: Any, **options: Any) -> Any:
        """As `open`, whose files write here."""
        if isinstance(file, int) or not set(mode) & set("wax+") or not self.holds(file):
            return OPEN(file, mode, buffering, *arguments, **options)
        if not os.path.exists(file) and self.fails("open", file):
            self.fail(file)
        raw = _File(self, file, mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *arguments, **options)

    def _save_tensors(self, tensors: Any, path: Path, metadata: Any) -> None:
        fails = self.fails("write", path)
        SAVE_FILE(tensors, path, metadata)
        if fails:
            os.truncate(path, path.stat().st_size // 2)
            self.fail(path)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Watch this process."""
        with contextlib.ExitStack() as stack:
            for name in ("fsync", "mkdir", "unlink", "rmdir", *RENAMING, "chmod"):
                function = _do_nothing if name == "fsync" else getattr(os, name)
                stack.enter_context(mock.patch.object(os, name, self._wrapped(name, function)))
            touch = self._wrapped("touch", Path.touch)
            stack.enter_context(
                mock.patch.object(Path, "touch", lambda path, **options: touch(path, **options))
            )
            stack.enter_context(mock.patch.object(os, "write", self._write))
            for module in (io, builtins):
                stack.enter_context(mock.patch.object(module, "open", self._open))
            stack.enter_context(mock.patch.object(weights, "save_file", self._save_tensors))
            yield


@final
class _File(io.FileIO):
    """A file of a `Disk`: what does not fit is half written, as `write` says by what it returns."""

    def __init__(self, disk: Disk, path: Any, mode: str) -> None:
        super().__init__(path, mode)
        self._disk, self._is_full = disk, False

    def write(self, content: Any) -> int:
        if self._is_full:
            self._disk.fail(self.name)
        if not self._disk.fails("write", self.name):
            return super().write(content)
        half = len(content) // 2
        if half:
            super().write(memoryview(content)[:half])
        self._is_full = self._disk.how in (ENOSPC, FULL)
        if not half or not self._is_full:
            self._disk.fail(self.name)
        return half

    def truncate(self, size: int | None = None) -> int:
        if self._disk.fails("truncate", self.name):
            self._disk.fail(self.name)
        return super().truncate(size)


def _name(path: Any) -> str:
    """The whole name of a file, of which the last part may be a link, by its name or descriptor."""
    if isinstance(path, int):
        return os.readlink(f"/proc/self/fd/{path}")
    path = os.path.abspath(path)
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _do_nothing(descriptor: int) -> None:
    """There is no power cut here, and to wait for a disk takes most of the time."""


WRITE = os.write


def count_calls(work: Callable[[Path], object], folder: Path) -> list[str]:
    """The calls that change `folder`, in which `work` works."""
    disk = Disk(folder)
    with disk.watched():
        work(folder)
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
    _, status = os.waitpid(run_beside(work, folder, number, how), 0)
    if os.waitstatus_to_exitcode(status) != KILLED:
        pytest.fail(f"call {number} was never made")
    return None


def run_in_two_processes(work: Callable[[Path], object], folder: Path, number: int | None = None) -> None:
    """Do `work` in two processes that train together; the first is killed at the call of that number."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    together = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    children = []
    for rank in ("0", "1"):
        child = os.fork()
        if child == 0:
            os.environ |= {**together, "RANK": rank, "LOCAL_RANK": rank}
            AcceleratorState._reset_state(reset_partial_state=True)
            is_killed = rank == "0" and number is not None
            try:
                with Disk(folder, number, KILL).watched() if is_killed else contextlib.nullcontext():
                    work(folder)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    status = os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1])
    if number is not None:
        os.kill(children[1], signal.SIGKILL)
    other = os.waitstatus_to_exitcode(os.waitpid(children[1], 0)[1])
    assert (status, other) == (0, 0) if number is None else status == KILLED


def run_beside(work: Callable[[Path], object], folder: Path, number: int, how: str) -> int:
    """Do `work` in a process of its own, on a disk whose call of that number fails; its number."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), Disk(folder, number, how).watched():
            work(folder)
        os._exit(0)
    return child
