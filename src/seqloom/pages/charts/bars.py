"""Bars and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seqloom.pages.charts.plot import HEIGHT, Axes, draw_figure, draw_plot
from seqloom.pages.charts.scales import Scale, fit_scale
from seqloom.pages.html import Html, text
from seqloom.pages.numbers import number

DOT_WIDTH = 1.5
"""Percent of a line"""


class Bar(NamedTuple):
    """A bar across.

    Fields:
        name: what it measures.
        value: its length, from 0 on.
        low: the lower end of an interval around it; None without one.
        high: the upper end.
        is_quiet: whether it is gray, as what the others are compared with.
        note: what else is said of it, after its value.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    is_quiet: bool = False
    note: str = ""


def bar_chart(bars: Sequence[Bar], *, title: str, unit: str = "", note: str = "") -> Html:
    """Bars across, one below another, each with its name and its value.

    Args:
        bars: in the order in which they are shown; negative values go to the left.
        title: what they show.
        unit: of the values.
        note: a sentence below.

    >>> "12.0" in bar_chart([Bar("LSTM", 12.0), Bar("RNN", 7.0, is_quiet=True)], title="Recall", unit="steps")
    True
    """
    ends = [0.0, *(v for bar in bars for v in (bar.value, bar.low, bar.high) if v is not None and v == v)]
    finite = [value for value in ends if abs(value) != float("inf")]
    scale = Scale(min(finite), max(finite) if max(finite) > min(finite) else min(finite) + 1.0)
    rows = "".join(_bar_row(bar, scale, unit) for bar in bars)
    return draw_figure(title, Html(f'<ul class="bars">{rows}</ul>'), note=note)


def dot_chart(bars: Sequence[Bar], *, title: str, note: str = "") -> Html:
    """Values as dots on a line, one below another, where differences matter that are small beside the values.

    Args:
        bars: in the order in which they are shown; finite values.
        title: what they show.
        note: a sentence below; where the lines begin and end is said after it.

    >>> "from 0.800 to 0.900" in dot_chart([Bar("LSTM", 0.9), Bar("RNN", 0.8)], title="Accuracy")
    True
    """
    ends = [value for bar in bars for value in (bar.value, bar.low, bar.high) if value is not None]
    low, high = min(ends), max(ends)
    scale = Scale(low, high if high > low else low + 1.0)
    rows = "".join(_bar_row(bar, scale, "", is_dot=True) for bar in bars)
    note = f"{note} The lines go from {number(scale.low)} to {number(scale.high)}.".strip()
    return draw_figure(title, Html(f'<ul class="bars">{rows}</ul>'), note=note)


def _bar_row(bar: Bar, scale: Scale, unit: str, is_dot: bool = False) -> str:
    value = bar.value if bar.value == bar.value else 0.0
    value = min(max(value, scale.low), scale.high)
    start, end = sorted((scale.place(0.0), scale.place(value)))
    if is_dot:
        start = min(max(scale.place(value) - DOT_WIDTH / 2, 0.0), 100 - DOT_WIDTH)
        end = start + DOT_WIDTH
    words = f"{bar.name} {number(bar.value, unit)}"
    whisker = ""
    if bar.low is not None and bar.high is not None:
        low, high = scale.place(bar.low), scale.place(bar.high)
        whisker = f'<path class="whisker" d="M{low:.2f} 50H{high:.2f}"/>'
        words += f", {number(bar.low)} to {number(bar.high)}"
    after = f"<small>{text(bar.note)}</small>" if bar.note else ""
    return (
        f'<li class="{"quiet" if bar.is_quiet else ""}"><span>{text(bar.name)}</span>'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="{start:.2f}" width="{end - start:.2f}" y="10" height="80"/>{whisker}'
        f"<title>{text(words)}</title></svg>"
        f"<b>{text(number(bar.value, unit))}{after}</b></li>"
    )


def histogram(
    values: Sequence[float],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "count",
    num_bins: int = 20,
    x_range: tuple[float, float] | None = None,
    note: str = "",
    height: int = HEIGHT,
) -> Html:
    """How often values lie where.

    Args:
        values: any number; those that are missing or infinite are counted in the note.
        title: what is shown.
        x_label: what the values are, with their unit.
        y_label: what is counted.
        num_bins: bins of equal width.
        x_range: the ends of the first and the last bin; None: the least and the greatest value.
        note: a sentence below.
        height: in pixels.

    >>> histogram([0.1, 0.2, 0.9], title="gates", x_range=(0, 1), num_bins=2).count("<rect")
    2
    """
    shown = [value for value in values if abs(value) < float("inf")]
    low, high = x_range or ((min(shown), max(shown)) if shown else (0.0, 1.0))
    high = high if high > low else low + 1.0
    counts = [0] * num_bins
    for value in shown:
        if low <= value <= high:
            counts[min(int((value - low) / (high - low) * num_bins), num_bins - 1)] += 1
    outside = len(values) - sum(counts)
    if outside:
        note = f"{note} {outside:,} values outside of it are left out.".strip()
    axes = Axes(Scale(low, high), fit_scale([0, max(counts) or 1], margin=0.0), x_label, y_label)
    width = 100.0 / num_bins
    drawn = []
    for turn, count in enumerate(counts):
        top = axes.y.place(count)
        edges = [low + (high - low) * (turn + side) / num_bins for side in (0, 1)]
        words = f"{number(float(edges[0]))} to {number(float(edges[1]))}: {count:,}"
        drawn.append(
            f'<rect class="bin" x="{turn * width:.2f}" width="{width:.2f}" y="{100 - top:.2f}" '
            f'height="{top:.2f}"><title>{text(words)}</title></rect>'
        )
    summary = f"{title}. Histogram of {len(values):,} values."
    return draw_figure(title, draw_plot(axes, drawn, summary=summary, height=height), note=note)
