"""Claims that take no training, run once."""

from __future__ import annotations

import pytest

from seqloom.inspection.claims import Outcome, run_claims


@pytest.fixture(scope="package")
def exact() -> list[Outcome]:
    return run_claims([3, 4, 12, 14, 17, 18, 19, 20, 21, 23, 24, 27])
