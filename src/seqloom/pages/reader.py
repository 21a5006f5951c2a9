"""An input that is read with the cursor: what each step depends on, what units do, where else they do it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from seqloom.pages.charts.plot import draw_figure
from seqloom.pages.html import Html
from seqloom.pages.page import embed_json

LEVELS = 127


def reader(
    steps: Sequence[str],
    *,
    title: str,
    values: Mapping[str, Sequence[Sequence[float]]],
    depends: Sequence[Sequence[float]] | None = None,
    expects: Sequence[Sequence[tuple[str, float]]] = (),
    start: tuple[str, int] | None = None,
    threshold: float = 0.3,
    key: str = "reader",
    note: str = "",
) -> Html:
    """The steps of an input as text under a cursor, which moves by pointer and by arrow keys.

    Args:
        steps: characters, words, times.
        title: above it.
        values: (T, H) of each value by name, whose units can be shown; one byte a number.
        depends: (T, T), how much each step depends on each other one.
        expects: for each step what is likely to come, with its probability.
        start: the value and the unit that are shown at first.
        threshold: from where on a unit is on, as a share of the greatest value.
        key: the id of its data, which no other element of the page has.
        note: a sentence below.
    """
    data: dict[str, Any] = {
        "steps": list(steps),
        "depends": None if depends is None else _pack(depends),
        "values": [{"name": name, **_pack(rows)} for name, rows in values.items()],
        "expects": [[[name, round(share, 4)] for name, share in row] for row in expects],
        "start": list(start) if start else None,
        "threshold": threshold,
    }
    body = Html(
        f'<div class="reader" data-key="{key}"><noscript><p class="note">The text under the cursor needs '
        f"JavaScript; everything else of this page does not.</p></noscript></div>{embed_json(key, data)}"
    )
    return draw_figure(title, body, note=note, kind="wide")


def _pack(rows: Sequence[Sequence[float]]) -> dict[str, Any]:
    """A table as one byte a number, in units of its greatest absolute value, in base64."""
    greatest = max((abs(value) for row in rows for value in row if value == value), default=0.0) or 1.0
    scale = LEVELS / greatest
    content = bytes(
        128 + round(max(min(value * scale, LEVELS), -LEVELS)) if value == value else 128
        for row in rows
        for value in row
    )
    return {
        "columns": len(rows[0]) if len(rows) else 0,
        "greatest": greatest,
        "levels": base64.b64encode(content).decode(),
    }
