"""The bootstrap as users have it."""

from __future__ import annotations

import pytest

from seqloom.evaluation import bootstrap


@pytest.fixture(autouse=True)
def every_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many draws as a report makes, not the few of other tests."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)
