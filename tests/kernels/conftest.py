"""Fixtures for the compiled kernels: a run, instruction sets, and how CMakeLists.txt compiles csrc/."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from seqloom.kernels.native import decoder
from seqloom.kernels.native.abi import NATIVE_CELLS, Run

ROOT = Path(__file__).parents[2]

pytest.register_assert_rewrite(f"{__package__}.runs")


class Build(NamedTuple):
    """The build as CMakeLists.txt defines it."""

    compiler: str
    kernels: list[str]
    """Sources that are compiled once for each instruction set"""
    sources: list[str]
    """The other sources"""
    variants: dict[str, list[str]]
    """The flags of each instruction set, in the order of csrc/runtime/cpu_target.h"""
    options: list[str]
    """The flags of every source"""


def read_build(text: str, compiler: str) -> Build:
    """Parse CMakeLists.txt."""
    known = {name: values.split() for name, values in re.findall(r"set\((\w+) ([^)]*)\)", text)}

    def words(given: str) -> list[str]:
        return [
            word
            for name in given.split()
            for word in known.get(name.removeprefix("${").removesuffix("}"), [name])
        ]

    variants = {
        name: words(flags)
        for name, flags in re.findall(r"^\s*add_variant\((\w+)([^)]*)\)", text, re.MULTILINE)
    }
    (options,) = re.findall(r"target_compile_options\(\$\{target\} PRIVATE\s([^)]*)\)", text)
    (standard,) = re.findall(r"CXX_STANDARD (\d+)", text)
    (sources,) = re.findall(r"add_library\(_native MODULE ([^)]*)\)", text)
    every = [f"-std=gnu++{standard}", "-fPIC", "-fvisibility=hidden", *words(options)]
    every.append(f"-DSEQLOOM_BEST_TARGET={len(variants) - 1}")
    return Build(compiler, known["KERNELS"], sources.split(), variants, every)


@pytest.fixture(scope="session")
def build() -> Build:
    """The build with this machine's compiler; skips the test without one, or on another processor."""
    if os.uname().machine not in ("x86_64", "AMD64"):
        pytest.skip("what is tested here are the kernels for x86-64")
    names = (os.environ.get("CXX"), "g++", "c++", "clang++")
    compiler = next((name for name in names if name and shutil.which(name)), None)
    if compiler is None:
        pytest.skip("no C++ compiler: csrc/ cannot be compiled")
    found = read_build((ROOT / "CMakeLists.txt").read_text(), compiler)
    assert list(found.variants) == ["portable", "avx2", "avx512", "avx512_bf16"]
    return found


def make_run(cell: str = "lstm", steps: int = 5, batch: int = 3, hidden: int = 6, directions: int = 1) -> Run:
    G = NATIVE_CELLS[cell].num_gates * hidden
    shapes = [(G, 4), (G, hidden), (G,), (G,)] * directions
    h, c = torch.randn(2, directions, batch, hidden)
    weights = [torch.randn(shape) * hidden**-0.5 for shape in shapes]
    return Run(
        cell, torch.randn(steps, batch, 4), h, c if cell == "lstm" else None, None,
        weights + [None] * (8 - 4 * directions), False,
    )  # fmt: skip


@pytest.fixture
def use_cpu_target() -> Iterator[Callable[[int], None]]:
    """A function that sets the instruction set for one test, or skips it if the processor lacks it."""
    library = decoder._library()
    before = library.seqloom_level()

    def use(target: int) -> None:
        if not library.seqloom_use_level(target):
            pytest.skip("this processor lacks it")

    yield use
    library.seqloom_use_level(before)
