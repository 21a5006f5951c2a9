"""Tiles: statements or findings with an anchor each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from seqloom.pages.html import Html, element, join, text

Tone = Literal["good", "mixed", "bad", "none"]
"""Whether it holds, holds in part, does not hold, or is not known: each has its color and its sign."""
SIGNS = {"good": "✓", "mixed": "◐", "bad": "✕", "none": "·"}


class Tile(NamedTuple):
    """A finding.

    Fields:
        title: the statement.
        status: its state in a word: `holds`.
        tone: which of the colors that is.
        value: the figure, with its unit.
        body: what else is shown: a sentence, a small chart.
        anchor: its name in an address.
        label: a number or a word before the title.
    """

    title: str
    status: str
    tone: Tone = "none"
    value: str = ""
    body: Html | str = ""
    anchor: str = ""
    label: str = ""


def tiles(findings: Sequence[Tile]) -> Html:
    """Tiles beside one another.

    >>> "3" in tiles([Tile("It remembers", "holds", "good", "12 steps", anchor="claim-3", label="3")])
    True
    """
    return Html(f'<div class="tiles">{"".join(map(_tile, findings))}</div>')


def status(words: str, tone: Tone = "none") -> Html:
    """A state in a word with its sign."""
    return Html(f'<span class="status {tone}"><i aria-hidden="true">{SIGNS[tone]}</i> {text(words)}</span>')


def _tile(tile: Tile) -> str:
    anchor = f' id="{text(tile.anchor)}"' if tile.anchor else ""
    label = text(tile.label)
    if tile.anchor and tile.label:
        label = Html(f'<a href="#{text(tile.anchor)}">{label}</a>')
    head = Html(f"<span>{label}</span>{status(tile.status, tile.tone)}")
    value = element("p", tile.value, {"class": "value"}) if tile.value else ""
    return (
        f'<article class="tile {tile.tone}"{anchor}><p class="head">{head}</p><h3>{text(tile.title)}</h3>'
        f"{value}{join([tile.body])}</article>"
    )
