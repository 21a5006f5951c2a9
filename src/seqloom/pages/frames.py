"""Sliders over what was computed beforehand, and pictures that are gone through step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seqloom.pages.charts.plot import draw_figure
from seqloom.pages.html import Html, element, join, text


class Frame(NamedTuple):
    """One position: its name, and what is shown there."""

    name: str
    body: Html | str


def slider(title: str, frames: Sequence[Frame], *, label: str, start: int = 0, note: str = "") -> Html:
    """A slider: each position shows what was computed for it.

    Args:
        title: of the whole.
        frames: by position; without a script all of them are shown, one below another.
        label: what is moved: `spectral radius`.
        start: the position at first.
        note: a sentence below.

    >>> page = slider("Decay", [Frame("0.5", "gone"), Frame("1.2", "grown")], label="radius")
    >>> 'type="range"' in page, page.count("data-frame")
    (True, 2)
    """
    return draw_figure(title, _frames(frames, label, start, is_stepped=False), note=note, kind="frames")


def stepper(
    title: str, frames: Sequence[Frame], *, label: str = "step", start: int = 0, note: str = ""
) -> Html:
    """Pictures one after another, with buttons for the step before and the step after; arrow keys go too.

    Args:
        title: of the whole.
        frames: in their order; without a script all of them are shown, one below another.
        label: what is counted.
        start: the frame at first.
        note: a sentence below.
    """
    return draw_figure(title, _frames(frames, label, start, is_stepped=True), note=note, kind="frames")


def _frames(frames: Sequence[Frame], label: str, start: int, is_stepped: bool) -> Html:
    last = len(frames) - 1
    bodies = "".join(
        element(
            "div", join([frame.body]), {"data-frame": frame.name, "class": "now" if turn == start else None}
        )
        for turn, frame in enumerate(frames)
    )
    now = text(frames[start].name)
    before = '<button type="button" data-by="-1" aria-label="the one before">←</button>' if is_stepped else ""
    after = '<button type="button" data-by="1" aria-label="the one after">→</button>' if is_stepped else ""
    control = (
        f'<div class="control">{before}<label><span>{text(label)}</span> '
        f'<input type="range" min="0" max="{last}" value="{start}" aria-valuetext="{now}">'
        f"</label>{after}<output>{now}</output></div>"
    )
    return Html(f'{control}<div class="stage">{bodies}</div>')
