"""Write the page of claims, and its picture where pillow is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seqloom.errors import ConfigError
from seqloom.files import write_atomically
from seqloom.inspection.claims.card import write_card
from seqloom.inspection.claims.page import render_claims
from seqloom.inspection.claims.running import Outcome


def write_page(path: Path, outcomes: Sequence[Outcome], command: str) -> list[str]:
    """Write a page, and a PNG of the same name beside it.

    Args:
        path: of the page; both files are replaced.
        outcomes: of `run_claims`.
        command: what makes the page again.

    Returns:
        Lines about what was written, and what was not.
    """
    write_atomically(path, render_claims(outcomes, command))
    picture = path.with_suffix(".png")
    try:
        write_card(picture, outcomes)
    except ConfigError as error:
        return [f"wrote {path}", f"no {picture.name}: {error}"]
    return [f"wrote {path}", f"wrote {picture}"]
