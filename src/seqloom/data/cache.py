"""The folder of what can be computed again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder that `SEQLOOM_CACHE` names, or else seqloom's in the user's cache. It may be deleted."""
    folder = os.environ.get("SEQLOOM_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) if folder else Path(base) / "seqloom"
