"""Scatter plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seqloom.pages.charts.plot import HEIGHT, Axes, color_class, draw_figure, draw_legend, draw_plot
from seqloom.pages.charts.scales import Scale, fit_scale
from seqloom.pages.html import Html, text
from seqloom.pages.numbers import number


class Point(NamedTuple):
    """A point, what it is, and the group that it belongs to."""

    x: float
    y: float
    label: str = ""
    group: str = ""


def scatter(
    points: Sequence[Point],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    x_log: bool = False,
    y_log: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    is_square: bool = False,
    note: str = "",
    height: int = HEIGHT,
) -> Html:
    """Points by two values, one color a group.

    Args:
        points: those that an axis cannot show are counted in the note.
        title: what is shown.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        x_log: whether x is on a log axis.
        y_log: whether y is on a log axis.
        x_range: the ends of x; None: those of the values.
        y_range: the ends of y; None: those of the values.
        is_square: whether the area is as wide as it is high, as for shares against shares.
        note: a sentence below.
        height: in pixels.

    >>> "unit 3" in scatter([Point(0.2, 0.7, "unit 3")], title="saturation")
    True
    """
    x_scale = Scale(*x_range, x_log) if x_range else fit_scale([point.x for point in points], x_log)
    y_scale = Scale(*y_range, y_log) if y_range else fit_scale([point.y for point in points], y_log)
    shown = [point for point in points if x_scale.holds(point.x) and y_scale.holds(point.y)]
    if len(shown) < len(points):
        note = f"{note} {len(points) - len(shown):,} points that the axes cannot show are left out.".strip()
    axes = Axes(x_scale, y_scale, x_label, y_label)
    groups = list(dict.fromkeys(point.group for point in points))
    drawn = []
    for point in shown:
        at = f"M{axes.x.place(point.x):.2f} {100 - axes.y.place(point.y):.2f}h0"
        words = f"{point.label}: {number(float(point.x))}, {number(float(point.y))}".lstrip(": ")
        color = color_class(groups.index(point.group))
        drawn.append(f'<path class="dot {color}" d="{at}"><title>{text(words)}</title></path>')
    summary = f"{title}. Scatter plot of {len(shown):,} points."
    plot = draw_plot(axes, drawn, summary=summary, height=height)
    kind = "square" if is_square else ""
    return draw_figure(title, plot, legend=draw_legend(groups), note=note, kind=kind)
