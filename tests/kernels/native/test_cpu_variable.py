"""SEQLOOM_CPU: the best instruction set that the compiled kernels may use, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqloom.kernels.native import library

PROGRAM = """
import torch
from seqloom.kernels.native import library
from seqloom.layers.recurrent import GRU
layer, x = GRU(8, 16), torch.randn(5, 2, 8)
try:
    choice = layer.choice(x)
    layer(x)
except ValueError as error:
    print(error)
else:
    print(library.cpu_target(), library.has_bfloat16(), *choice)
"""


def run_layer(**variables: str) -> str:
    """What a process with these environment variables says of a small layer."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SEQLOOM_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**clean, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip()


@pytest.fixture(scope="module")
def best() -> int:
    """The best instruction set of this processor; skips the test where seqloom has no compiled library."""
    target = int(run_layer().split()[0])
    if target < 0:
        pytest.skip("seqloom is installed without csrc/")
    return target


FASTEST = "native the compiled kernel is the fastest here"


@pytest.mark.parametrize("limit", ["", *library.CPU_TARGETS])
def test_the_variable_is_an_upper_limit(limit: str, best: int) -> None:
    allowed = library.CPU_TARGETS.index(limit) if limit else best
    target = min(best, allowed)
    assert run_layer(SEQLOOM_CPU=limit) == f"{target} {target == 3} {FASTEST}"


def test_none_leaves_the_library_out(best: int) -> None:
    reason = "SEQLOOM_CPU=none leaves out the compiled kernels"
    assert run_layer(SEQLOOM_CPU="none") == f"-1 False torch {reason}"
    refused = run_layer(SEQLOOM_CPU="none", SEQLOOM_KERNEL="native:portable")
    assert refused == f'GRU: SEQLOOM_KERNEL=native:portable cannot do this: {reason}. Leave kernel="auto".'


def test_an_instruction_set_can_be_forced_within_the_limit(best: int) -> None:
    if best < 1:
        pytest.skip("this processor has one instruction set")
    forced = run_layer(SEQLOOM_CPU="avx2", SEQLOOM_KERNEL="native:portable")
    assert forced == "0 False native SEQLOOM_KERNEL=native:portable"
    refused = run_layer(SEQLOOM_CPU="portable", SEQLOOM_KERNEL="native:avx2")
    reason = "SEQLOOM_CPU=portable allows portable at most"
    expected = f'GRU: SEQLOOM_KERNEL=native:avx2 cannot be had: {reason}. Set SEQLOOM_KERNEL="native".'
    assert refused == expected


UNKNOWN = "SEQLOOM_CPU: expected one of none, portable, avx2, avx512, avx512_bf16. Got avx3."


def test_an_unknown_value_is_one_line() -> None:
    assert run_layer(SEQLOOM_CPU="avx3") == UNKNOWN


def test_an_unknown_value_ends_a_training_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question. " * 200)
    done = subprocess.run(
        [sys.executable, "-m", "seqloom.cli", "train", "text.txt", "--set", "training.max_steps=2"],
        cwd=tmp_path, env={**os.environ, "SEQLOOM_CPU": "avx3"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].removeprefix("seqloom: ") == UNKNOWN
