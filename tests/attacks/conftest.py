"""A small trained run, and a copy of it to be damaged."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import seqloom

from .runs import KINDS, SmallRun, make_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 40)
    settings = ["model.hidden_size=8", "training.window=16", "training.batch_size=4", "training.max_steps=1"]
    return seqloom.train(folder / "text.txt", settings=settings, out=folder / "run").folder


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    for file in trained.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Half a gigabyte more than the process has: whatever asks for more fails."""
    limit = resource.getrlimit(resource.RLIMIT_AS)
    status = Path("/proc/self/status").read_text()
    size = re.search(r"VmSize:\s+(\d+) kB", status)
    assert size is not None
    resource.setrlimit(resource.RLIMIT_AS, (int(size[1]) * 1024 + (512 << 20), limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], SmallRun]:
    """A small run folder of a kind, made when it is first asked for."""
    return cache(lambda kind: make_run(kind, tmp_path_factory.mktemp(kind)))


@pytest.fixture(params=KINDS)
def small_run(request: pytest.FixtureRequest, runs: Callable[[str], SmallRun]) -> SmallRun:
    """A small run folder of each kind."""
    return runs(request.param)
