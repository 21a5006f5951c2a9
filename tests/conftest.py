"""What every test shares: one thread, a known seed, and the sample data where it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import register_random, settings

# Tests are small: a second thread costs more than it brings, and sums then come out the same everywhere.
torch.set_num_threads(1)

# Examples are derived from the test itself, so that a run can be repeated; a shared core keeps no deadline.
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")


class TorchRandom:
    """torch's generator, as hypothesis seeds one: an example that failed fails again when it is replayed."""

    seed = staticmethod(torch.manual_seed)
    getstate = staticmethod(torch.get_rng_state)
    setstate = staticmethod(torch.set_rng_state)


TORCH_RANDOM = TorchRandom()  # hypothesis keeps a weak reference only
register_random(TORCH_RANDOM)


@pytest.fixture(autouse=True)
def seed() -> None:
    """Every test starts from the same random state, whichever tests ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of sample data sets that the environment names; the test is skipped where it names none."""
    folder = os.environ.get("SEQLOOM_DATA")
    if not folder:
        pytest.skip("SEQLOOM_DATA names no folder of sample data")
    path = Path(folder)
    assert path.is_dir(), f"SEQLOOM_DATA must be a folder. Got {folder!r}."
    return path
