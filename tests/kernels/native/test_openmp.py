"""Threads: torch's OpenMP runtime, and the compiled kernels on it."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from seqloom.kernels.native import forward_backward, library, openmp
from seqloom.kernels.native.abi import NATIVE_CELLS, Run

from ..conftest import make_run

pytestmark = pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")


def test_torchs_runtime_is_found_and_no_second_one_loaded() -> None:
    if sys.platform != "linux":
        pytest.skip("/proc is Linux's")
    library.available()
    maps = {line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    found = openmp.runtimes(maps)
    assert found[0].startswith(str(Path(torch.__file__).parent))
    addresses = openmp.addresses()
    assert addresses is not None
    own = ctypes.CDLL(found[0])
    assert addresses[0] == ctypes.cast(own.GOMP_parallel, ctypes.c_void_p).value


def test_runtimes_are_recognized_by_name() -> None:
    torchs = str(Path(torch.__file__).parent) + ".libs/libgomp-a34b3233.so.1"
    others = ["/lib/libgomp.so.1.0.0", "/lib/libiomp5.so", "/lib/libomp.so.5", "/opt/libomp-0f12.so"]
    strangers = ["/lib/libcompress.so", "/lib/libgomp.txt", "[heap]", "", "/lib/libtorch_cpu.so"]
    assert openmp.runtimes([*strangers, *others, torchs]) == [torchs, *sorted(others)]


def test_without_a_runtime_there_is_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(openmp, "runtimes", lambda paths: ["/nowhere/libgomp.so.1"])
    assert openmp.addresses() is None
    monkeypatch.setattr(Path, "read_text", missing)
    assert openmp.addresses() is None


def test_concurrent_runs_are_independent() -> None:
    runs = [make_run(cell, steps=30, batch=9, hidden=40, directions=2) for cell in NATIVE_CELLS]
    wanted = forward_backward.RequestedGradients(True, True, True)

    def both(run: Run) -> list[Tensor]:
        output, h_n, c_n, values = forward_backward.forward(run, save=True)
        gradients = forward_backward.backward(
            run, output, values, forward_backward.OutputGradients(output, h_n, c_n), wanted
        )
        return [value for value in (output, h_n, *gradients) if value is not None]

    expected = [both(run) for run in runs]
    got: dict[int, list[list[Tensor]]] = {k: [] for k in range(len(runs))}

    def work(k: int) -> None:
        got[k] += [both(runs[k]) for _ in range(5)]

    in_threads([lambda k=k: work(k) for k in got])
    for k, values in got.items():
        assert len(values) == 5
        assert all(torch.equal(a, b) for each in values for a, b in zip(each, expected[k], strict=True))


def in_threads(jobs: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_results_do_not_depend_on_the_number_of_threads(cell: str, two_threads: None) -> None:
    for batch, directions in ((1, 1), (1, 2), (5, 1), (40, 2)):
        run = make_run(cell, batch=batch, hidden=70, directions=directions)
        two = forward_backward.forward(run)[0]
        torch.set_num_threads(1)
        one = forward_backward.forward(run)[0]
        torch.set_num_threads(2)
        # float32, sums of 74 products, possibly in another order.
        torch.testing.assert_close(two, one, rtol=0, atol=1e-5)


def test_runs_within_another_parallel_region(two_threads: None) -> None:
    addresses = openmp.addresses()
    if addresses is None:
        pytest.skip("no OpenMP runtime")
    run = make_run(batch=40, hidden=70)
    expected, got = forward_backward.forward(run)[0], []
    task = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    parallel = ctypes.CFUNCTYPE(None, task, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)(addresses[0])
    parallel(task(lambda _: got.append(forward_backward.forward(run)[0])), None, 2, 0)
    assert len(got) == 2
    for output in got:
        # float32: there one thread computes all rows, in other tiles.
        torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)


def test_gil_is_released() -> None:
    run = make_run(steps=500, batch=16, hidden=256)
    ticks, over = [], SimpleNamespace(now=False)

    def tick() -> None:
        while not over.now:
            ticks.append(1)
            over.now = over.now or len(ticks) > 10**7

    ticker = threading.Thread(target=tick)
    ticker.start()
    before = len(ticks)
    forward_backward.forward(run)
    counted = len(ticks) - before
    over.now = True
    ticker.join()
    assert counted > 100  # a call that kept the lock would let through a handful at most


def test_forked_process_runs_on_one_thread_instead_of_waiting_for_lost_ones() -> None:
    code = """
import os, torch, seqloom
torch.set_num_threads(2)
layer, x = seqloom.LSTM(64, 128, kernel="native"), torch.randn(50, 32, 64)
with torch.no_grad():
    expected = layer(x)[0]
    child = os.fork()
    if not child:
        os._exit(0 if abs(layer(x)[0].numpy() - expected.numpy()).max() < 1e-6 else 1)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
assert torch.equal(layer(x)[0], expected)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
