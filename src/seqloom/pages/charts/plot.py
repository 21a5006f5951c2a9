"""The frame that charts share: an area that stretches with the page, axes beside it, a legend above.

What is drawn is SVG with 100 x 100 units, stretched to the area, with strokes that keep their width. What is
read is HTML over it, placed in percent, so that it has the same size on a phone and on a screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from seqloom.pages.charts.scales import Scale
from seqloom.pages.html import Html, element, paragraph, text

COLORS = 6
"""Colors of series in the style sheet; a seventh series starts again, dashed."""
HEIGHT = 250
"""Pixels of the area"""
MAX_TARGETS = 120
"""Columns of a chart that say their values under the pointer"""


class Axes(NamedTuple):
    """What is beside an area: scales, what they measure, and names in place of numbers along x."""

    x: Scale
    y: Scale
    x_label: str = ""
    y_label: str = ""
    x_names: Sequence[tuple[float, str]] = ()


def color_class(place: int) -> str:
    """The class of a series' color, by its place among them."""
    return f"c{place % COLORS}" + (" dashed" if place >= COLORS else "")


def draw_plot(
    axes: Axes, drawn: Iterable[str], *, labels: Iterable[Html] = (), summary: str, height: int = HEIGHT
) -> Html:
    """An area with its axes.

    Args:
        axes: scales and their labels.
        drawn: elements of SVG.
        labels: elements of HTML over the area, placed in percent.
        summary: what the chart shows, in words, for those who don't see it.
        height: of the area, in pixels.
    """
    y_ticks = [(axes.y.place(value), label) for value, label in axes.y.ticks()]
    x_ticks = axes.x_names or axes.x.ticks(5)
    lines = "".join(f'<path class="grid" d="M0 {100 - at:.2f}H100"/>' for at, _ in y_ticks)
    svg = f'<svg viewBox="0 0 100 100" preserveAspectRatio="none">{lines}{"".join(drawn)}</svg>'
    beside = "".join(
        f'<span class="yt" style="bottom:{at:.2f}%">{text(label)}</span>' for at, label in y_ticks
    )
    below = "".join(
        _x_tick(axes.x.place(value), label, bool(axes.x_names) and turn % 2 == 1)
        for turn, (value, label) in enumerate(x_ticks)
    )
    y_label = paragraph(axes.y_label, "axis") if axes.y_label else ""
    x_label = paragraph(axes.x_label, "axis x") if axes.x_label else ""
    area = Html(f"{svg}{beside}{below}{''.join(labels)}")
    attributes = {"class": "plot", "role": "img", "aria-label": summary, "style": f"height:{height}px"}
    return Html(f"<div>{y_label}{element('div', area, attributes)}{x_label}</div>")


def _x_tick(at: float, label: str, is_spare: bool) -> str:
    """A label below; a spare one goes first where there is little room."""
    kind = " first" if at < 4 else " last" if at > 96 else ""
    kind += " spare" if is_spare else ""
    return f'<span class="xt{kind}" style="left:{at:.2f}%">{text(label)}</span>'


def draw_figure(title: str, body: Html, *, legend: Html | str = "", note: str = "", kind: str = "") -> Html:
    """A figure with its title above and a note below."""
    head = element("figcaption", title) if title else ""
    foot = paragraph(note, "note") if note else ""
    return Html(f'<figure class="chart {kind}">{head}{legend}{body}{foot}</figure>')


def draw_legend(names: Sequence[str], colors: Sequence[int] | None = None) -> Html:
    """Keys of series: their colors and names. Empty for one series, which the title names."""
    if len(names) < 2:
        return Html("")
    places = colors or range(len(names))
    keys = [
        f'<li class="{color_class(place)}">{text(name)}</li>'
        for name, place in zip(names, places, strict=True)
    ]
    return Html(f'<ul class="legend">{"".join(keys)}</ul>')


def draw_targets(axes: Axes, columns: Sequence[tuple[float, str]]) -> list[str]:
    """Invisible columns that say, under the pointer, what is at their place.

    Args:
        axes: of the area.
        columns: values of x in rising order, each with what is said of it; some of many are left out.
    """
    stride = -(-len(columns) // MAX_TARGETS) or 1
    places = [(axes.x.place(value), words) for value, words in columns[::stride]]
    drawn = []
    for turn, (at, words) in enumerate(places):
        start = 0.0 if turn == 0 else (places[turn - 1][0] + at) / 2
        end = 100.0 if turn == len(places) - 1 else (at + places[turn + 1][0]) / 2
        drawn.append(
            f'<g class="target"><path d="M{at:.2f} 0V100"/><rect x="{start:.2f}" width="{end - start:.2f}" '
            f'height="100"><title>{text(words)}</title></rect></g>'
        )
    return drawn
