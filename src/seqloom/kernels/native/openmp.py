"""The OpenMP runtime that torch has loaded: csrc/ gets its addresses, so that there is one pool of threads.

A second runtime would bring threads of its own that wait by spinning, on the same cores. Wheels of torch may
rename theirs (libgomp-a34b3233.so.1), so it is looked for among what this process has loaded.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterable
from pathlib import Path

import torch

SYMBOLS = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
"""What csrc/threads.h calls. GCC's runtime has them, and so have Intel's and LLVM's."""

_NAME = re.compile(r"/lib[gi]?omp5?(-[0-9a-f]+)?\.so[^/]*$")


def addresses() -> tuple[int, int, int] | None:
    """The addresses of `SYMBOLS` in torch's runtime, or None: one thread does it all then."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:  # not Linux
        return None
    for path in runtimes(line.split(maxsplit=5)[-1] for line in maps.splitlines()):
        try:
            library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
            first, second, third = (ctypes.cast(getattr(library, name), ctypes.c_void_p) for name in SYMBOLS)
        except (OSError, AttributeError):
            continue
        return first.value or 0, second.value or 0, third.value or 0
    return None


def runtimes(paths: Iterable[str]) -> list[str]:
    """The OpenMP runtimes among the files `paths`, torch's own first.

    >>> runtimes(["/usr/lib/libgomp.so.1", "/usr/lib/libcompress.so", "/opt/lib/libiomp5.so"])
    ['/opt/lib/libiomp5.so', '/usr/lib/libgomp.so.1']
    """
    # torch/lib/libgomp.so.1, or torch.libs/libgomp-a34b3233.so.1 where a wheel was repaired
    torchs = tuple(f"{Path(torch.__file__).parent}{end}" for end in ("/", ".libs/"))
    found = {path for path in paths if _NAME.search(path)}
    return sorted(found, key=lambda path: (not path.startswith(torchs), path))
