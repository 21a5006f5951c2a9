"""Shared by all tests: one thread, a fixed seed, few draws of a report, and the sample data sets if any."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
import torch
from hypothesis import register_random, settings

from seqloom.evaluation import bootstrap

# Tests are small: a second thread would make them slower, and sums would depend on the machine.
torch.set_num_threads(1)

# Every training ends with a report, whose draws take a good part of a small one's time.
bootstrap.RESAMPLES = 100

# Examples are derived from the test, so that runs are reproducible; on a shared machine no deadline holds.
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")


class TorchRandom:
    """torch's random generator for hypothesis, which seeds it so that a failing example can be replayed."""

    seed = staticmethod(torch.manual_seed)
    getstate = staticmethod(torch.get_rng_state)
    setstate = staticmethod(torch.set_rng_state)


TORCH_RANDOM = TorchRandom()  # hypothesis has only a weak reference
register_random(TORCH_RANDOM)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: of two processes, neither runs the last of them alone."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Modules stay, and need not be searched for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seed() -> None:
    """Seed every test, so that it does not depend on the tests that ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of sample data sets, SEQLOOM_DATA; without it the test is skipped."""
    folder = os.environ.get("SEQLOOM_DATA")
    if not folder:
        pytest.skip("SEQLOOM_DATA names no folder of sample data")
    path = Path(folder)
    assert path.is_dir(), f"SEQLOOM_DATA must be a folder. Got {folder!r}."
    return path
