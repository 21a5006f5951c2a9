"""The compiled library: that it was built where it can be, fits, is loaded with care; and what it refuses."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seqloom import kernels
from seqloom.errors import ConfigError
from seqloom.kernels.native import abi, forward_backward, library
from seqloom.kernels.native.abi import NATIVE_CELLS, Run

ROOT = Path(__file__).parents[2]
COMPILERS = [name for name in (os.environ.get("CXX"), "c++", "g++", "clang++") if name and shutil.which(name)]

needs_library = pytest.mark.skipif(
    not COMPILERS and not library.available(), reason="no C++ compiler: seqloom is installed without csrc/"
)


def make_run(cell: str = "lstm", steps: int = 5, batch: int = 3, hidden: int = 6, directions: int = 1) -> Run:
    G = NATIVE_CELLS[cell].num_gates * hidden
    shapes = [(G, 4), (G, hidden), (G,), (G,)] * directions
    h, c = torch.randn(2, directions, batch, hidden)
    weights = [torch.randn(shape) / 2 for shape in shapes]
    return Run(
        cell, torch.randn(steps, batch, 4), h, c if cell == "lstm" else None, None,
        weights + [None] * (8 - 4 * directions), False,
    )  # fmt: skip


@needs_library
def test_is_built_where_there_is_a_compiler() -> None:
    assert library.available(), library.why_unavailable()
    assert library.why_unavailable() == ""
    assert library.LEVELS[library.level()] in library.LEVELS


@pytest.mark.parametrize(("structure", "name"), [(abi.Direction, "Direction"), (abi.Problem, "Problem")])
def test_structures_are_those_of_the_header(structure: type[ctypes.Structure], name: str) -> None:
    text = (ROOT / "csrc/problem.h").read_text().split(f"struct {name} {{")[1].split("\n};")[0]
    kinds = {"int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64}
    expected: list[tuple[str, Any]] = []
    for line in re.sub("//.*", "", text).split(";"):
        kind, _, names = re.sub(r"\bconst\b", "", line).strip().partition(" ")
        for each in filter(None, (each.strip() for each in names.split(","))):
            pointer = "*" in kind
            expected.append((each, ctypes.c_void_p if pointer else kinds.get(kind, abi.Direction * 2)))
    expected = [(each.removesuffix("[2]"), kind) for each, kind in expected]
    assert [tuple(field) for field in structure._fields_] == expected


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library is looked for again, in this test and in the next."""
    library.load.cache_clear()
    yield
    monkeypatch.undo()
    library.load.cache_clear()


@pytest.fixture
def elsewhere(tmp_path: Path, unloaded: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that stands for the installed package."""
    monkeypatch.setattr(kernels, "__path__", [str(tmp_path)])
    return tmp_path


def test_says_that_the_library_is_missing_and_logs_it_once(
    elsewhere: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="seqloom"):
        assert not library.available()
        assert library.level() == -1
    (record,) = caplog.records
    assert "without its compiled kernels" in record.getMessage()
    assert "without its compiled kernels" in library.why_unavailable()
    assert "apt-get install g++" in library.why_unavailable()
    assert library.refusal(torch.zeros(1), []) == library.why_unavailable()
    message = r"^seqloom::recurrence: .*without its compiled kernels; with a C\+\+ compiler .* again\.$"
    with pytest.raises(ConfigError, match=message):
        forward_backward.forward(make_run())


def test_says_that_the_library_is_broken(elsewhere: Path) -> None:
    (elsewhere / library.LIBRARY_NAMES[0]).write_bytes(b"no library")
    assert not library.available()
    assert "cannot be loaded" in library.why_unavailable()


@needs_library
def test_says_that_the_library_is_another_version(unloaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "ABI_VERSION", library.ABI_VERSION + 1)
    assert f"are of version {library.ABI_VERSION - 1}, not {library.ABI_VERSION}" in library.why_unavailable()


@needs_library
def test_no_memory_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward_backward, "load", lambda: library.Library(lambda _: 1, lambda _: 1, 3, 3))
    with pytest.raises(MemoryError, match=r"^seqloom::recurrence: no memory is left"):
        forward_backward.forward(make_run())


LEVEL = """
import sys, torch
from seqloom.kernels.native import library
from seqloom.kernels.native import forward_backward
from seqloom.layers.recurrent import GRU, LSTM, RNN
level, best = sys.argv[1], int(sys.argv[2])
if library.LEVELS.index(level) > best:
    try: RNN(2, 3)(torch.zeros(1, 1, 2))
    except ValueError as error: print(error)
    sys.exit()
assert library.LEVELS[library.level()] == level, library.level()
torch.manual_seed(0)
for Layer in (RNN, LSTM, GRU):
    layer = Layer(20, 37, 2, bidirectional=True)
    x = torch.randn(9, 21, 20, requires_grad=True)
    lengths = [9 - k % 8 for k in range(21)]
    assert layer.choice(x).reason == f"SEQLOOM_KERNEL=native:{level}"
    fast = torch.autograd.grad(layer(x, lengths=lengths)[0].pow(2).sum(), [x, *layer.parameters()])
    with torch.no_grad():
        gates = layer.trace(x, lengths=lengths).gates
    layer.kernel = "reference"
    slow = torch.autograd.grad(layer(x, lengths=lengths)[0].pow(2).sum(), [x, *layer.parameters()])
    # float32, sums of some 400 products: errors are measured against a tensor's largest value.
    for mine, other in zip(fast, slow, strict=True):
        assert (mine - other).abs().max() <= 1e-5 * max(1, other.abs().max())
    for mine, other in zip(gates, layer.trace(x, lengths=lengths).gates, strict=True):
        for value, expected in zip(mine, other, strict=True):
            assert (value - expected).abs().max() <= 1e-5
refusal = library.refusal(torch.zeros(1, dtype=torch.bfloat16), [])
assert (refusal is None) == (level == "avx512_bf16"), refusal
print("done", refusal)
"""


@needs_library
@pytest.mark.parametrize("level", library.LEVELS)
def test_every_instruction_set_is_the_reference(level: str) -> None:
    loaded = library.load()
    assert isinstance(loaded, library.Library)
    done = subprocess.run(
        [sys.executable, "-c", LEVEL, level, str(library.best)],
        env={**os.environ, library.VARIABLE: f"native:{level}", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if library.LEVELS.index(level) > loaded.best:
        assert f"SEQLOOM_KERNEL=native:{level} cannot be had: this processor has" in done.stdout
    elif level == "avx512_bf16":
        assert done.stdout == "done None\n"
    else:
        assert f"native computes in bfloat16 with avx512_bf16 only, and has {level}" in done.stdout


def test_why_there_is_not_another_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "load", lambda: library.Library(lambda _: 0, lambda _: 0, 0, 1))
    assert library.why_not_level("portable") is None
    assert library.why_not_level("avx512") == "this processor has avx2 at most"
    expected = "the compiled kernels run with portable since they were first needed"
    assert library.why_not_level("avx2") == expected
    monkeypatch.setattr(forward_backward, "load", library.load)
    run = make_run()
    half = run._replace(input=run.input.bfloat16())
    message = r"^seqloom::recurrence: bfloat16 needs the instruction set avx512_bf16\. Got portable\.$"
    with pytest.raises(ConfigError, match=message):
        forward_backward.forward(half)
    monkeypatch.setattr(library, "load", lambda: "it is not there")
    assert library.why_not_level("avx2") is None


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that stands for any."""
    monkeypatch.setattr(library, "load", lambda: library.Library(lambda _: 0, lambda _: 0, 2, 3))


def test_refuses_types_and_devices(there: None) -> None:
    x = torch.zeros(1)
    assert library.refusal(x, [x]) is None
    expected = "native is for float32 and bfloat16 on the CPU, not {} on {}"
    assert library.refusal(x.double(), []) == expected.format("torch.float64", "cpu")
    assert library.refusal(x, [x, x.half()]) == expected.format("torch.float16", "cpu")
    assert library.refusal(x.to("meta"), []) == expected.format("torch.float32", "meta")
    only = "native computes in bfloat16 with avx512_bf16 only, and has avx512"
    assert library.refusal(x.bfloat16(), []) == only
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert library.refusal(x, [x]) == only
    with torch.autocast("cpu", dtype=torch.float16):
        expected = "native does not compute in torch.float16, which autocast asks for"
        assert library.refusal(x, [x]) == expected


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_refuses_forward_derivatives_and_what_is_made_for_elsewhere(there: None) -> None:
    x, found = torch.zeros(2), []

    def note(x: Tensor) -> Tensor:
        found.append(library.refusal(x, []))
        return x * 2

    torch.func.jvp(note, (x,), (x,))
    with torch.autograd.forward_ad.dual_level():
        note(x)
    torch.jit.trace(note, (x,), check_trace=False)
    forward = "native has no forward-mode derivatives"
    assert found == [forward, forward, "an exported program is for where seqloom is not"]
