"""The compiled kernels of csrc/: the library, loaded when it is first asked for and given torch's threads.

ctypes lets go of the GIL during a call and needs neither Python's nor torch's headers to build
(csrc/README.md). seqloom installs without a compiler too: `why_unavailable` says then why there is none, as a
layer's `choice` does, and once the log (`logging.getLogger("seqloom")`, level INFO).
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

from seqloom.kernels import native
from seqloom.kernels.native import openmp
from seqloom.kernels.native.abi import Problem

ABI_VERSION = 3
"""What `seqloom_abi_version` of csrc/ must answer: both go up when a signature or a structure changes."""

LIBRARY_NAMES = ("_native.so", "_native.dll")

VARIABLE = "SEQLOOM_KERNEL"
"""The environment variable that forces a kernel; "native:avx2" forces one of `LEVELS` too."""

LEVELS = ("portable", "avx2", "avx512", "avx512_bf16")
"""The instruction sets, in the order of csrc/level.h"""

_MEND = "with a C++ compiler (on Debian or Ubuntu: apt-get install g++), install seqloom again"


class Library(NamedTuple):
    """The loaded library, and instruction sets as places in `LEVELS`."""

    forward: Callable[[Problem], int]
    backward: Callable[[Problem], int]
    level: int
    """The one in use"""
    best: int
    """The best that the processor has"""


def available() -> bool:
    """Whether the compiled library is there and fits this seqloom."""
    return not isinstance(load(), str)


def why_unavailable() -> str:
    """Why `available` is False and what to do about it, as half a sentence; empty where it is True."""
    library = load()
    return library if isinstance(library, str) else ""


def level() -> int:
    """The instruction set in use, a place in `LEVELS`; -1 where there is no library."""
    library = load()
    return -1 if isinstance(library, str) else library.level


def why_not_level(name: str) -> str | None:
    """None where the instruction set `name` is in use, or there is no library; else why it is not."""
    library = load()
    if isinstance(library, str) or LEVELS[library.level] == name:
        return None
    if LEVELS.index(name) > library.best:
        return f"this processor has {LEVELS[library.best]} at most"
    return f"the compiled kernels run with {LEVELS[library.level]} since they were first needed"


def refusal(input: Tensor, weights: Iterable[Tensor]) -> str | None:
    """None where the compiled kernels can run a layer of this input and these weights; else why not."""
    if not available():
        return why_unavailable()
    for tensor in (input, *weights):
        if not tensor.is_cpu or tensor.dtype not in (torch.float32, torch.bfloat16):
            return (
                f"native is for float32 and bfloat16 on the CPU, not {tensor.dtype} on {tensor.device.type}"
            )
    if computed_in(input) not in (torch.float32, torch.bfloat16):
        return f"native does not compute in {computed_in(input)}, which autocast asks for"
    if computed_in(input) == torch.bfloat16 and level() < LEVELS.index("avx512_bf16"):
        return f"native computes in bfloat16 with avx512_bf16 only, and has {LEVELS[level()]}"
    if torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
        return "native has no torch.func within torch.compile"
    if forward_ad._current_level >= 0:
        return "native has no forward-mode derivatives"
    if torch.compiler.is_exporting() or torch.jit.is_tracing():  # type: ignore[attr-defined]
        return "an exported program is for where seqloom is not"
    return None


def computed_in(input: Tensor) -> torch.dtype:
    """The type that a run of this input computes in: the input's own, or autocast's where that is on."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else input.dtype


# While torch.compile traces a layer these are constants: nobody installs a library meanwhile. Marked by hand,
# because torch.compiler.assume_constant_result imports the whole compiler.
for _function in (available, why_unavailable, level, why_not_level):
    _function._dynamo_marked_constant = True  # type: ignore[attr-defined]


def find() -> Path | None:
    """The library's file, if there is one. An editable install keeps it beside the package, not in src/."""
    paths = [Path(folder, name) for folder in native.__path__ for name in LIBRARY_NAMES]
    return next((path for path in paths if path.is_file()), None)


@cache
def load() -> Library | str:
    """The library, or why there is none."""
    library = _load()
    if isinstance(library, str):
        logging.getLogger("seqloom").info("recurrent layers run on torch's own kernels: %s", library)
    return library


def _load() -> Library | str:
    path = find()
    if path is None:
        return f"seqloom was installed without its compiled kernels; {_MEND}"
    try:
        library = ctypes.CDLL(str(path))
        version = library.seqloom_abi_version()
        if version != ABI_VERSION:
            return f"the compiled kernels are of version {version}, not {ABI_VERSION}; {_MEND}"
        passes = library.seqloom_forward, library.seqloom_backward
    except (OSError, AttributeError) as error:
        return f"the compiled kernels cannot be loaded ({error}); {_MEND}"
    for function in passes:
        function.argtypes, function.restype = [ctypes.POINTER(Problem)], ctypes.c_int32
    threads = openmp.addresses()
    if threads is not None:
        library.seqloom_use_openmp(*map(ctypes.c_void_p, threads))
    best = library.seqloom_level()
    asked = os.environ.get(VARIABLE, "").partition(":")[2]
    if asked in LEVELS:
        library.seqloom_use_level(LEVELS.index(asked))  # a processor that lacks it goes on with its best
    return Library(*passes, library.seqloom_level(), best)
