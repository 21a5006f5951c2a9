"""Find the OpenMP runtime that torch has loaded, so that csrc/ shares its pool of threads.

A second runtime would add threads that spin on the same cores. Torch's wheels may rename theirs
(libgomp-a34b3233.so.1), so it is searched for among the libraries that this process has loaded.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterable
from pathlib import Path

import torch

SYMBOLS = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
"""The functions that csrc/runtime/threads.h calls. GCC's, Intel's and LLVM's runtimes have them."""

_NAME = re.compile(r"/lib[gi]?omp5?(-[0-9a-f]+)?\.so[^/]*$")


_is_started = False
"""Whether kernels have run on several threads, so that the runtime has a pool of them"""
_is_lost = False
"""Whether this process was forked from one with such a pool: its threads are not here"""


def num_threads() -> int:
    """The threads that a kernel may use: torch's number, or 1 where a fork has lost them.

    The runtime would wait for its lost threads for ever, as torch's own operators then do.
    """
    global _is_started
    count = 1 if _is_lost else torch.get_num_threads()
    _is_started = _is_started or count > 1
    return count


def _note_fork() -> None:
    global _is_lost
    _is_lost = _is_lost or _is_started


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def addresses() -> tuple[int, int, int] | None:
    """The addresses of `SYMBOLS` in torch's runtime; None: not found, and the library uses one thread."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:  # not Linux
        return None
    for path in runtimes(line.split(maxsplit=5)[-1] for line in maps.splitlines()):
        try:
            library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
            parallel, thread_number, num_threads = (
                ctypes.cast(getattr(library, name), ctypes.c_void_p) for name in SYMBOLS
            )
        except (OSError, AttributeError):
            continue
        return parallel.value or 0, thread_number.value or 0, num_threads.value or 0
    return None


def runtimes(paths: Iterable[str]) -> list[str]:
    """The OpenMP runtimes among the files `paths`, torch's own first.

    >>> runtimes(["/usr/lib/libgomp.so.1", "/usr/lib/libcompress.so", "/opt/lib/libiomp5.so"])
    ['/opt/lib/libiomp5.so', '/usr/lib/libgomp.so.1']
    """
    # torch/lib/libgomp.so.1, or torch.libs/libgomp-a34b3233.so.1 where a wheel was repaired
    torch_folders = tuple(f"{Path(torch.__file__).parent}{end}" for end in ("/", ".libs/"))
    matches = {path for path in paths if _NAME.search(path)}
    return sorted(matches, key=lambda path: (not path.startswith(torch_folders), path))
