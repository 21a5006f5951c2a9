"""The compiled library: building, loading, instruction sets, and what it refuses."""

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

from seqloom.errors import ConfigError
from seqloom.kernels import native
from seqloom.kernels.native import abi, forward_backward, library
from seqloom.layers.recurrent import RNN

from ..conftest import make_run

ROOT = Path(__file__).parents[3]
COMPILERS = [name for name in (os.environ.get("CXX"), "c++", "g++", "clang++") if name and shutil.which(name)]

needs_library = pytest.mark.skipif(
    not library.available() and (not COMPILERS or os.environ.get(library.CPU_VARIABLE) == "none"),
    reason="no C++ compiler, or SEQLOOM_CPU=none: seqloom goes without csrc/",
)


@needs_library
def test_library_is_built_if_there_is_a_compiler() -> None:
    assert library.available(), library.why_unavailable()
    assert library.why_unavailable() == ""
    assert library.CPU_TARGETS[library.cpu_target()] in library.CPU_TARGETS


def _header(structure: str) -> str:
    texts = [path.read_text() for path in (ROOT / "csrc").rglob("*.h")]
    (text,) = [text for text in texts if f"struct {structure} {{" in text]
    return text


@pytest.mark.parametrize(("structure", "name"), [(abi.Direction, "Direction"), (abi.Problem, "Problem")])
def test_structures_match_the_header(structure: type[ctypes.Structure], name: str) -> None:
    text = _header(name).split(f"struct {name} {{")[1].split("\n};")[0]
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
    """The library is searched for again, in this test and in the next."""
    monkeypatch.delenv(library.CPU_VARIABLE, raising=False)
    library.load.cache_clear()
    yield
    monkeypatch.undo()
    library.load.cache_clear()


@pytest.fixture
def empty_package(tmp_path: Path, unloaded: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the installed package."""
    monkeypatch.setattr(native, "__path__", [str(tmp_path)])
    return tmp_path


def test_missing_library_is_reported_and_logged_once(
    empty_package: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="seqloom"):
        assert not library.available()
        assert library.cpu_target() == -1
    (record,) = caplog.records
    assert "without its compiled kernels" in record.getMessage()
    assert "without its compiled kernels" in library.why_unavailable()
    assert "apt-get install g++" in library.why_unavailable()
    assert library.refusal(torch.zeros(1), []) == library.why_unavailable()
    message = r"^seqloom::recurrence: .*without its compiled kernels; with a C\+\+ compiler .* again\.$"
    with pytest.raises(ConfigError, match=message):
        forward_backward.forward(make_run())


def test_broken_library_is_reported(empty_package: Path) -> None:
    (empty_package / library.LIBRARY_NAMES[0]).write_bytes(b"no library")
    assert not library.available()
    assert "cannot be loaded" in library.why_unavailable()


@needs_library
def test_library_of_another_version_is_reported(unloaded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "ABI_VERSION", library.ABI_VERSION + 1)
    assert f"are of version {library.ABI_VERSION - 1}, not {library.ABI_VERSION}" in library.why_unavailable()


@needs_library
def test_out_of_memory_raises_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward_backward, "load", lambda: library.Library(lambda _: 1, lambda _: 1, 3, 3))
    with pytest.raises(MemoryError, match=r"^seqloom::recurrence: out of memory"):
        forward_backward.forward(make_run())


PROGRAM = """
import sys, torch
from seqloom.kernels.native import library
from seqloom.kernels.native import forward_backward
from seqloom.layers.recurrent import GRU, LSTM, RNN
target = sys.argv[1]
assert library.CPU_TARGETS[library.cpu_target()] == target, library.cpu_target()
torch.manual_seed(0)
for Layer in (RNN, LSTM, GRU):
    layer = Layer(20, 37, 2, bidirectional=True)
    x = torch.randn(9, 21, 20, requires_grad=True)
    lengths = [9 - k % 8 for k in range(21)]
    assert layer.choice(x).reason == f"SEQLOOM_KERNEL=native:{target}"
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
layer.kernel = "auto"
print(layer.bfloat16().choice(x.bfloat16()).reason)
"""


@needs_library
@pytest.mark.parametrize("target", library.CPU_TARGETS)
def test_every_instruction_set_matches_the_reference(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = library.load()
    assert isinstance(loaded, library.Library)
    monkeypatch.setenv(library.KERNEL_VARIABLE, f"native:{target}")
    if library.CPU_TARGETS.index(target) > loaded.best:
        reason = re.escape(library.why_not_cpu_target(target) or "")
        with pytest.raises(ConfigError, match=f"SEQLOOM_KERNEL=native:{target} cannot be had: {reason}"):
            RNN(2, 3)(torch.zeros(1, 1, 2))
        return
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, target],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if target == "avx512_bf16":
        assert done.stdout == f"SEQLOOM_KERNEL=native:{target}\n"
    else:
        reason = f"SEQLOOM_KERNEL=native:{target}, in float32, as {target} has no bfloat16\n"
        assert done.stdout == reason


def test_reasons_why_an_instruction_set_is_not_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(library.CPU_VARIABLE, raising=False)
    monkeypatch.setattr(library, "load", lambda: library.Library(lambda _: 0, lambda _: 0, 0, 1))
    assert library.why_not_cpu_target("portable") is None
    assert library.why_not_cpu_target("avx512") == "of what is compiled, this processor has avx2 at most"
    expected = "the compiled kernels have been loaded with portable"
    assert library.why_not_cpu_target("avx2") == expected
    monkeypatch.setenv(library.CPU_VARIABLE, "avx2")
    assert library.why_not_cpu_target("avx512") == "SEQLOOM_CPU=avx2 allows avx2 at most"
    monkeypatch.setattr(forward_backward, "load", library.load)
    run = make_run()
    bf16 = run._replace(input=run.input.bfloat16())
    message = r"^seqloom::recurrence: bfloat16 needs the instruction set avx512_bf16\. Got portable\.$"
    with pytest.raises(ConfigError, match=message):
        forward_backward.forward(bf16)
    monkeypatch.setattr(library, "load", lambda: "it is not there")
    assert library.why_not_cpu_target("avx2") is None


@pytest.fixture
def loaded_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the loaded library."""
    monkeypatch.setattr(library, "load", lambda: library.Library(lambda _: 0, lambda _: 0, 2, 3))


def test_refuses_types_and_devices(loaded_library: None) -> None:
    x = torch.zeros(1)
    assert library.refusal(x, [x]) is None
    expected = "native is for float32 and bfloat16 on the CPU, not {} on {}"
    assert library.refusal(x.double(), []) == expected.format("torch.float64", "cpu")
    assert library.refusal(x, [x, x.half()]) == expected.format("torch.float16", "cpu")
    assert library.refusal(x.to("meta"), []) == expected.format("torch.float32", "meta")
    assert library.refusal(x.bfloat16(), []) is None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert library.refusal(x, [x]) is None
    with torch.autocast("cpu", dtype=torch.float16):
        expected = "native does not compute in torch.float16, which autocast asks for"
        assert library.refusal(x, [x]) == expected


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_refuses_forward_derivatives_and_exported_programs(loaded_library: None) -> None:
    x, found = torch.zeros(2), []

    def note(x: Tensor) -> Tensor:
        found.append(library.refusal(x, []))
        return x * 2

    torch.func.jvp(note, (x,), (x,))
    with torch.autograd.forward_ad.dual_level():
        note(x)
    torch.jit.trace(note, (x,), check_trace=False)
    forward = "native has no forward-mode derivatives"
    assert found == [forward, forward, "an exported program must run without seqloom"]
