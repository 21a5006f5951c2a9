"""SEQLOOM_CPU: the best instruction set that the compiled kernels may use."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seqloom.errors import ConfigError
from seqloom.kernels.native import library
from seqloom.training.train import train

LIMITS = ("", *library.CPU_TARGETS, "none", "avx3")
FORCED = (("avx2", "native:portable"), ("portable", "native:avx2"), ("none", "native:portable"))
PROGRAM = """
import json, os, sys, torch
from seqloom.kernels.native import library
from seqloom.layers.recurrent import GRU
layer, x = GRU(8, 16), torch.randn(5, 2, 8)
for limit, kernel in json.loads(sys.argv[1]):
    os.environ.update(SEQLOOM_CPU=limit, SEQLOOM_KERNEL=kernel)
    library.load.cache_clear()
    try:
        layer(x)
        print(library.cpu_target(), library.has_bfloat16(), *layer.choice(x))
    except ValueError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, str], str]:
    """What a process says of a small layer, for each limit and each kernel that is forced."""
    cases = [*((limit, "") for limit in LIMITS), *FORCED]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(cases)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(zip(cases, done.stdout.splitlines(), strict=True))


@pytest.fixture
def best(answers: dict[tuple[str, str], str]) -> int:
    """The best instruction set of this processor; skips the test where seqloom has no compiled library."""
    target = int(answers["", ""].split()[0])
    if target < 0:
        pytest.skip("seqloom is installed without csrc/")
    return target


def test_the_variable_is_an_upper_limit(answers: dict[tuple[str, str], str], best: int) -> None:
    for limit, name in enumerate(library.CPU_TARGETS):
        target = min(best, limit)
        fastest = "native the compiled kernel is the fastest here"
        assert answers[name, ""] == f"{target} {target == 3} {fastest}"
    assert answers["", ""] == answers["avx512_bf16", ""]


def test_none_leaves_the_library_out(answers: dict[tuple[str, str], str]) -> None:
    reason = "SEQLOOM_CPU=none leaves out the compiled kernels"
    assert answers["none", ""] == f"-1 False torch {reason}"
    refused = f'GRU: SEQLOOM_KERNEL=native:portable cannot do this: {reason}. Leave kernel="auto".'
    assert answers["none", "native:portable"] == refused


def test_an_instruction_set_can_be_forced_within_the_limit(
    answers: dict[tuple[str, str], str], best: int
) -> None:
    assert answers["avx2", "native:portable"] == "0 False native SEQLOOM_KERNEL=native:portable"
    if best:
        reason = "SEQLOOM_CPU=portable allows portable at most"
        refused = f'GRU: SEQLOOM_KERNEL=native:avx2 cannot be had: {reason}. Set SEQLOOM_KERNEL="native".'
        assert answers["portable", "native:avx2"] == refused


UNKNOWN = "SEQLOOM_CPU: expected one of none, portable, avx2, avx512, avx512_bf16. Got avx3."


def test_an_unknown_value_is_one_line(answers: dict[tuple[str, str], str]) -> None:
    assert answers["avx3", ""] == UNKNOWN


def test_an_unknown_value_ends_a_training_before_its_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be, that is the question. " * 200)
    monkeypatch.setenv(library.CPU_VARIABLE, "avx3")
    library.load.cache_clear()
    with pytest.raises(ConfigError, match=f"^{re.escape(UNKNOWN)}$"):
        train(tmp_path / "text.txt", out=tmp_path / "run")
