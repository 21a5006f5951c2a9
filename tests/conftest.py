"""Shared by all tests: one thread, a fixed seed, and the sample data sets if there are any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import register_random, settings

# Tests are small: a second thread would make them slower, and sums would depend on the machine.
torch.set_num_threads(1)

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
