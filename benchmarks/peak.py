"""The machine's own peak, in the same run as what is measured: peak.cpp, compiled when a benchmark starts."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

SOURCE = Path(__file__).with_name("peak.cpp")
TRIES = 16


def peak_flops(half: bool = False) -> float:
    """Operations a second of torch's threads together; NaN where it can't be measured.

    Args:
        half: of bfloat16 dot products, not float32 products and sums.
    """
    library = _library()
    rate = library.peak(int(half), torch.get_num_threads(), TRIES) if library is not None else 0
    return rate or float("nan")


@cache
def _library() -> ctypes.CDLL | None:
    found = next((c for c in (os.environ.get("CXX"), "c++", "g++", "clang++") if c and shutil.which(c)), None)
    if found is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peak.so"
        flags = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC", "-pthread"]
        subprocess.run([found, *flags, str(SOURCE), "-o", str(path)], check=True)
        library = ctypes.CDLL(str(path))
    library.peak.restype = ctypes.c_double
    library.peak.argtypes = [ctypes.c_int32] * 3
    return library
