"""Line charts: several series over linear or log axes, with bands, levels and marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from seqloom.pages.charts.plot import (
    HEIGHT,
    MAX_TARGETS,
    Axes,
    color_class,
    draw_figure,
    draw_legend,
    draw_plot,
    draw_targets,
)
from seqloom.pages.charts.scales import Scale, fit_scale
from seqloom.pages.html import Html, text
from seqloom.pages.numbers import number

MAX_POINTS = 400
"""Of a line: a longer one keeps the least and the greatest of each stretch, which looks the same."""
LABEL_PIXELS = 19
"""Height of the name at the end of a line"""
MAX_DIRECT = 5
"""Series that are named at the ends of their lines; more have a legend alone."""
MAX_X_NAMES = 5


class Band(NamedTuple):
    """A range at each step of a series."""

    low: Sequence[float]
    high: Sequence[float]
    name: str = ""


class Series(NamedTuple):
    """A line.

    Fields:
        name: what it is, in a word or two.
        x: its places, in rising order.
        y: its values; NaN and None leave a gap.
        bands: ranges around it, the widest first.
        color: its place among the colors; None: its place among the series.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    bands: Sequence[Band] = ()
    color: int | None = None


class Mark(NamedTuple):
    """A place along x with a word: where a training was best, where a forecast begins."""

    x: float
    label: str


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    x_log: bool = False,
    y_log: bool = False,
    y_range: tuple[float, float] | None = None,
    levels: Mapping[str, float] | None = None,
    marks: Sequence[Mark] = (),
    x_names: Sequence[str] = (),
    note: str = "",
    height: int = HEIGHT,
) -> Html:
    """Lines over an axis.

    Args:
        series: one or several; the first has the accent color.
        title: what the chart shows; the finding itself makes the best one.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        x_log: whether x is on a log axis.
        y_log: whether y is on a log axis.
        y_range: the ends of y; None: those of the values.
        levels: values of y with their names, drawn as dashed lines: a baseline, a chance level. The value
            follows the name, unless that is a number itself: `1 %`.
        marks: places of x with their names.
        x_names: names of the steps 0, 1, 2 … in place of their numbers: dates, characters.
        note: a sentence below.
        height: in pixels.

    >>> page = line_chart([Series("loss", [1, 2, 3], [3.0, 2.0, 1.5])], title="It learns", x_label="step")
    >>> "It learns" in page, "<title>" in page
    (True, True)
    """
    levels = levels or {}
    colors = [place if one.color is None else one.color for place, one in enumerate(series)]
    xs = [x for one in series for x in one.x] + [mark.x for mark in marks]
    ys = [y for one in series for y in _values(one)] + list(levels.values())
    x_scale = fit_scale(xs, x_log, margin=0.0)
    y_scale = Scale(*y_range, y_log) if y_range else fit_scale(ys, y_log)
    axes = Axes(x_scale, y_scale, x_label, y_label, _spread_names(x_names))
    drawn = [_mark_line(axes, mark) for mark in marks] + [_level_line(axes, y) for y in levels.values()]
    for color, one in reversed(list(zip(colors, series, strict=True))):
        drawn += [_band(axes, one, band, color) for band in one.bands]
        drawn.append(_line(axes, one, color))
    drawn += draw_targets(axes, list(_columns(series, x_names, x_label)))
    dropped = sum(not y_scale.holds(y) and y == y for one in series for y in _values(one)) if y_log else 0
    if dropped:
        note = f"{note} {dropped:,} values that are not above 0 are left out.".strip()
    named = [one.name for one in series]
    is_direct = 1 < len(series) <= MAX_DIRECT
    labels = [*_end_labels(axes, series, colors, height)] if is_direct else []
    labels += [*_level_labels(axes, levels), *_mark_labels(axes, marks)]
    plot = draw_plot(axes, drawn, labels=labels, summary=_summary(title, series), height=height)
    return draw_figure(
        title, plot, legend=draw_legend(named, colors), note=note, kind="direct" if is_direct else ""
    )


def _values(series: Series) -> Iterable[float]:
    yield from (float("nan") if y is None else y for y in series.y)
    for band in series.bands:
        yield from (*band.low, *band.high)


def _line(axes: Axes, series: Series, color_place: int) -> str:
    """Broken where a value is missing; a value with none beside it is a dot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(series.x, series.y, strict=True):
        if y is None or not axes.y.holds(y) or not axes.x.holds(x):
            runs.append([])
        else:
            runs[-1].append((axes.x.place(x), 100 - axes.y.place(y)))
    runs = [thin(run) for run in runs if run]
    path = "".join("M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in run) for run in runs if len(run) > 1)
    dots = "".join(f"M{run[0][0]:.2f} {run[0][1]:.2f}h0" for run in runs if len(run) == 1)
    color = color_class(color_place)
    line = f'<path class="line {color}" d="{path}"/>' if path else ""
    return line + (f'<path class="dot {color}" d="{dots}"/>' if dots else "")


def thin(points: Sequence[tuple[float, float]], most: int = MAX_POINTS) -> list[tuple[float, float]]:
    """Of each stretch of a long line its least and its greatest value, in their order.

    >>> thin([(0, 1), (1, 9), (2, 0), (3, 4)], most=2)
    [(1, 9), (2, 0)]
    """
    if len(points) <= most:
        return list(points)
    size = -(-2 * len(points) // most)
    kept = []
    for start in range(0, len(points), size):
        stretch = points[start : start + size]
        ends = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(ends)
    return kept


def _band(axes: Axes, series: Series, band: Band, color: int) -> str:
    low, high = axes.y.low, axes.y.high
    there = [(axes.x.place(x), min(max(y, low), high)) for x, y in zip(series.x, band.high, strict=True)]
    back = [(axes.x.place(x), min(max(y, low), high)) for x, y in zip(series.x, band.low, strict=True)]
    points = " ".join(f"{x:.2f},{100 - axes.y.place(y):.2f}" for x, y in [*there, *reversed(back)] if y == y)
    return f'<polygon class="band {color_class(color)}" points="{points}"/>'


def _mark_line(axes: Axes, mark: Mark) -> str:
    return f'<path class="mark" d="M{axes.x.place(mark.x):.2f} 0V100"/>'


def _level_line(axes: Axes, y: float) -> str:
    return f'<path class="level" d="M0 {100 - axes.y.place(y):.2f}H100"/>' if axes.y.holds(y) else ""


def _level_labels(axes: Axes, levels: Mapping[str, float]) -> Iterable[Html]:
    for name, y in levels.items():
        if axes.y.holds(y):
            where = " under" if axes.y.place(y) > 90 else ""
            words = text(name if name[:1].isdecimal() else f"{name} {number(float(y))}")
            yield Html(f'<span class="lv{where}" style="bottom:{axes.y.place(y):.2f}%">{words}</span>')


def _mark_labels(axes: Axes, marks: Sequence[Mark]) -> Iterable[Html]:
    for mark in marks:
        at = axes.x.place(mark.x)
        side = " left" if at > 60 else ""
        yield Html(f'<span class="mk{side}" style="left:{at:.2f}%">{text(mark.label)}</span>')


def _end_labels(axes: Axes, series: Sequence[Series], colors: Sequence[int], height: int) -> Iterable[Html]:
    """The name of each line at its end, moved apart where two would overlap."""
    ends = []
    for place, one in enumerate(series):
        shown = [y for y in one.y if y is not None and axes.y.holds(y)]
        if shown:
            ends.append([min(max(axes.y.place(shown[-1]), 0.0), 100.0), place])
    ends.sort()
    gap = 100.0 * LABEL_PIXELS / height
    for turn in range(1, len(ends)):
        ends[turn][0] = max(ends[turn][0], ends[turn - 1][0] + gap)
    excess = max(ends[-1][0] - 102.0, 0.0) if ends else 0.0
    for turn in reversed(range(len(ends))):
        most = ends[turn + 1][0] - gap if turn + 1 < len(ends) else ends[turn][0] - excess
        ends[turn][0] = min(ends[turn][0], most)
    for at, place in ends:
        name, color = text(series[int(place)].name), color_class(colors[int(place)])
        yield Html(f'<span class="end {color}" style="bottom:{at:.2f}%">{name}</span>')


def _columns(series: Sequence[Series], x_names: Sequence[str], x_label: str) -> Iterable[tuple[float, str]]:
    """Each place of x with all values there."""
    at: dict[float, list[str]] = {}
    for one in series:
        stride = -(-len(one.x) // MAX_TARGETS) or 1
        for step in range(0, len(one.x), stride):
            y = one.y[step]
            words = [f"{one.name} {number(None if y is None else float(y))}"]
            words += [
                f"{band.name} {number(float(band.low[step]))} to {number(float(band.high[step]))}"
                for band in one.bands
                if band.low[step] == band.low[step]
            ]
            at.setdefault(one.x[step], []).extend(words if y is not None and y == y else ())
    for x in sorted(at):
        name = x_names[int(x)] if x_names and int(x) < len(x_names) else f"{x_label} {number(x)}".strip()
        if at[x]:
            yield x, "\n".join([name, *at[x]])


def _spread_names(names: Sequence[str]) -> list[tuple[float, str]]:
    if len(names) <= MAX_X_NAMES:
        return [(float(step), name) for step, name in enumerate(names)]
    last = len(names) - 1
    steps = sorted({round(turn * last / (MAX_X_NAMES - 1)) for turn in range(MAX_X_NAMES)})
    return [(float(step), names[step]) for step in steps]


def _summary(title: str, series: Sequence[Series]) -> str:
    parts = []
    for one in series:
        shown = [float(y) for y in one.y if y is not None and y == y]
        if shown:
            span = f"{number(min(shown))} to {number(max(shown))}"
            parts.append(f"{one.name}: {span}, last {number(shown[-1])}")
    return f"{title}. Line chart. {'; '.join(parts)}"
