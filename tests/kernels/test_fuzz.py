"""csrc/ on thousands of random problems under sanitizers: no overrun, and results as in float64.

`csrc/fuzz/` is a program of its own around the C interface. Here it is compiled together with the library's
sources, without optimization, which would take more time than it saves. To run one seed again: `pytest
tests/kernels/test_fuzz.py --basetemp=FOLDER`, then the program in FOLDER, as csrc/fuzz/main.cpp says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import ROOT, Build

pytestmark = pytest.mark.slow  # a compiler takes half a minute for each instruction set

NEEDS = {
    "portable": "",
    "avx2": "avx2 fma",
    "avx512": "avx512f avx512bw avx512dq avx512vl",
    "avx512_bf16": "avx512_bf16 avx512_vnni",
}
"""The flags in /proc/cpuinfo that each instruction set needs, in addition to those of the one before it"""

MEMORY = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
THREADS = ["-fsanitize=thread"]

ABSENT = """
#include "decoder/decoder.h"
#include "recurrence/recurrence.h"
namespace seqloom::{name} {{
const RecurrenceKernels recurrence = {{}};
const DecoderKernels decoder = {{}};
}}
"""
"""Stands in for an instruction set that is not compiled."""


class Fuzz:
    """The program, compiled for some of the instruction sets."""

    def __init__(self, build: Build, folder: Path, variants: list[str], sanitizers: list[str]) -> None:
        self.targets = [list(build.variants).index(name) for name in variants]
        source = ROOT / "csrc"
        shutil.copytree(source, folder, dirs_exist_ok=True)
        (folder / "runtime" / "scratch.h").rename(folder / "runtime" / "pooled.h")
        (folder / "fuzz" / "scratch.h").rename(folder / "runtime" / "scratch.h")
        jobs = []
        for name, flags in build.variants.items():
            if name in variants:
                jobs += [(kernel, name, [f"-DSEQLOOM_VARIANT={name}", *flags]) for kernel in build.kernels]
            else:
                (folder / f"{name}.cpp").write_text(ABSENT.format(name=name))
                jobs.append((f"csrc/{name}.cpp", "absent", []))
        jobs += [(path, "", []) for path in build.sources]
        # The equations in float64 need no sanitizer, and are faster without it.
        jobs += [(f"csrc/fuzz/{path.name}", "", ["-O1"]) for path in sorted((source / "fuzz").glob("*.cpp"))]

        def compiled(job: tuple[str, str, list[str]]) -> Path:
            path, name, flags = job
            file = folder / Path(path).relative_to("csrc")
            to = folder / f"{'_'.join(file.relative_to(folder).parts)}.{name}.o"
            own = [] if "fuzz" in path and sanitizers is MEMORY else sanitizers
            command = [build.compiler, *build.options, "-O0", "-g1", f"-I{folder}", *flags, *own]
            _run([*command, "-c", str(file), "-o", str(to)])
            return to

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compiled, jobs))
        self.path = folder / "run"
        openmp = ["-lgomp"] if sanitizers is MEMORY else []
        link = [build.compiler, *sanitizers, *map(str, objects), *openmp, "-pthread", "-o", str(self.path)]
        _run(link)

    def __call__(self, what: str, count: int, first: int = 0, threads: int = 1, others: bool = False) -> None:
        """Run `count` problems on the best instruction set, or on all others; a failure names its seed."""
        targets = self.targets[-2::-1] if others else self.targets[-1:]
        numbers = [str(number) for number in (first, count, threads, *targets)]
        command = [str(self.path), what, *numbers]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        assert done.stdout == f"{count} problems\n"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and re.search(r"cannot find .*(asan|ubsan|tsan|gomp)|unsupported option", done.stderr):
        pytest.skip(f"the compiler has no sanitizers here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"


@pytest.fixture(scope="session")
def variants(build: Build) -> list[str]:
    """The instruction sets that this processor has."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        pytest.skip("no /proc/cpuinfo to say what the processor has")
    has = set(re.search(r"^flags\s*:(.*)", info.read_text(), re.MULTILINE)[1].split())  # type: ignore[index]
    supported = []
    for name in build.variants:
        if not has >= set(NEEDS[name].split()):
            break
        supported.append(name)
    return supported


def test_results_are_right_and_no_memory_is_overrun(
    build: Build, variants: list[str], tmp_path: Path
) -> None:
    """Most problems on the processor's best instruction set, the rest on the others in turn."""
    fuzz = Fuzz(build, tmp_path, variants, MEMORY)
    fuzz("recurrence", 200)
    fuzz("recurrence", 75, first=100_000, threads=3)
    fuzz("decoder", 150)
    fuzz("decoder", 100, first=100_000, threads=3)
    if variants[:-1]:
        fuzz("recurrence", 150, first=200_000, others=True)
        fuzz("decoder", 100, first=200_000, others=True)


def test_threads_share_nothing_unawares(build: Build, variants: list[str], tmp_path: Path) -> None:
    fuzz = Fuzz(build, tmp_path, variants[-1:], THREADS)
    fuzz("recurrence", 75, first=300_000)
    fuzz("recurrence", 50, first=400_000, threads=2)
    fuzz("decoder", 50, first=300_000)
    fuzz("decoder", 50, first=400_000, threads=2)
