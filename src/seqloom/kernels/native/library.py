"""The compiled library of csrc/, loaded with ctypes on first use, on torch's OpenMP threads.

ctypes releases the GIL during a call, and the build needs neither Python's nor torch's headers
(csrc/README.md). seqloom installs without a compiler too. Then `why_unavailable` gives the reason, as a
layer's `choice` does, and it is logged once (`logging.getLogger("seqloom")`, level INFO).
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from seqloom.errors import ConfigError
from seqloom.kernels import native
from seqloom.kernels.native import openmp
from seqloom.kernels.native.abi import Problem

ABI_VERSION = 3
"""The version that the library must report: raised with every change of a signature or a structure."""

LIBRARY_NAMES = ("_native.so", "_native.dll")

KERNEL_VARIABLE = "SEQLOOM_KERNEL"
"""The environment variable that forces a kernel; "native:avx2" also forces one of `CPU_TARGETS`."""

CPU_TARGETS = ("portable", "avx2", "avx512", "avx512_bf16")
"""The instruction sets that the kernels are compiled for, in the order of csrc/runtime/cpu_target.h"""

CPU_VARIABLE = "SEQLOOM_CPU"
"""The environment variable that names the best of `CPU_TARGETS` to use; "none" leaves the library out."""

_HINT = "with a C++ compiler (on Debian or Ubuntu: apt-get install g++), install seqloom again"


class Library(NamedTuple):
    """The loaded library; instruction sets are indices into `CPU_TARGETS`."""

    forward: Callable[[Problem], int]
    backward: Callable[[Problem], int]
    cpu_target: int
    """The instruction set in use"""
    best: int
    """The best one that the processor supports and `CPU_VARIABLE` allows"""


def available() -> bool:
    """Whether the compiled library is installed and of this seqloom's version."""
    return not isinstance(load(), str)


def why_unavailable() -> str:
    """Why `available` is False, and what to do about it, as a clause; empty if it is True."""
    library = load()
    return library if isinstance(library, str) else ""


def cpu_target() -> int:
    """The instruction set in use, an index into `CPU_TARGETS`; -1 without a library."""
    library = load()
    return -1 if isinstance(library, str) else library.cpu_target


def has_bfloat16() -> bool:
    """Whether the kernels compute in bfloat16 with the instruction set in use."""
    return cpu_target() >= CPU_TARGETS.index("avx512_bf16")


def why_not_cpu_target(name: str) -> str | None:
    """Why the instruction set `name` is not in use; None if it is, or if there is no library."""
    library = load()
    if isinstance(library, str) or CPU_TARGETS[library.cpu_target] == name:
        return None
    if CPU_TARGETS.index(name) > library.best:
        best = CPU_TARGETS[library.best]
        if os.environ.get(CPU_VARIABLE) == best:
            return f"{CPU_VARIABLE}={best} allows {best} at most"
        return f"of what is compiled, this processor has {best} at most"
    return f"the compiled kernels have been loaded with {CPU_TARGETS[library.cpu_target]}"


def refusal(input: Tensor, weights: Iterable[Tensor]) -> str | None:
    """Why the compiled kernels cannot run a layer with this input and these weights; None if they can."""
    if not available():
        return why_unavailable()
    for tensor in (input, *weights):
        if not tensor.is_cpu or tensor.dtype not in (torch.float32, torch.bfloat16):
            return (
                f"native is for float32 and bfloat16 on the CPU, not {tensor.dtype} on {tensor.device.type}"
            )
    if compute_dtype(input) not in (torch.float32, torch.bfloat16):
        return f"native does not compute in {compute_dtype(input)}, which autocast asks for"
    if torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        return "native does not support torch.func within torch.compile"
    if forward_ad._current_level >= 0:
        return "native has no forward-mode derivatives"
    if torch.compiler.is_exporting() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return "an exported program must run without seqloom"
    return None


def compute_dtype(input: Tensor) -> torch.dtype:
    """The type that a layer computes in and returns: autocast's if it is on, else the input's own."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else input.dtype


# Constants for torch.compile: the library cannot change while a layer is traced. Marked by hand, because
# torch.compiler.assume_constant_result imports the whole compiler.
for _function in (available, why_unavailable, cpu_target, has_bfloat16, why_not_cpu_target):
    _function._dynamo_marked_constant = True  # type: ignore[attr-defined]


def find() -> Path | None:
    """The library's file, if there is one. An editable install puts it in another folder of the package."""
    paths = [Path(folder, name) for folder in native.__path__ for name in LIBRARY_NAMES]
    return next((path for path in paths if path.is_file()), None)


@cache
def load() -> Library | str:
    """The library, or the reason why there is none.

    Raises:
        ConfigError: `CPU_VARIABLE` names no instruction set.
    """
    library = _load()
    if isinstance(library, str):
        logging.getLogger("seqloom").info("recurrent layers run on torch's own kernels: %s", library)
    return library


def _load() -> Library | str:
    limit = cpu_limit()
    if limit < 0:
        return f"{CPU_VARIABLE}=none leaves out the compiled kernels"
    path = find()
    if path is None:
        return f"seqloom was installed without its compiled kernels; {_HINT}"
    try:
        library = ctypes.CDLL(str(path))
        version = library.seqloom_abi_version()
        if version != ABI_VERSION:
            return f"the compiled kernels are of version {version}, not {ABI_VERSION}; {_HINT}"
        entry_points = library.seqloom_forward, library.seqloom_backward
    except (OSError, AttributeError) as error:
        return f"the compiled kernels cannot be loaded ({error}); {_HINT}"
    for function in entry_points:
        function.argtypes, function.restype = [ctypes.POINTER(Problem)], ctypes.c_int32
    threads = openmp.addresses()
    if threads is not None:
        library.seqloom_use_openmp(*map(ctypes.c_void_p, threads))
    # Not seqloom_level(), which is what an earlier load of this process has set.
    best = target = max(level for level in range(limit + 1) if library.seqloom_use_level(level))
    asked = os.environ.get(KERNEL_VARIABLE, "").partition(":")[2]
    if asked in CPU_TARGETS[: best + 1]:
        target = CPU_TARGETS.index(asked)
    library.seqloom_use_level(target)
    return Library(*entry_points, target, best)


def cpu_limit() -> int:
    """The best instruction set that `CPU_VARIABLE` allows, an index into `CPU_TARGETS`; -1 for none.

    Raises:
        ConfigError: it names no instruction set.
    """
    names = ("none", *CPU_TARGETS)
    name = os.environ.get(CPU_VARIABLE) or names[-1]
    if name not in names:
        raise ConfigError(CPU_VARIABLE, f"expected one of {', '.join(names)}", got=name)
    return names.index(name) - 1
