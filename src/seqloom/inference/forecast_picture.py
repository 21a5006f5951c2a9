"""A page with pictures of forecasts: history, forecast, bands, and what came. One file, without a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy

from seqloom.tasks.forecasting import Forecast, PicturedSeries

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 12, 26
MAX_POINTS = 600
"""Of a line; a longer history is thinned, which at this width nobody sees."""
NUM_TICKS = 4
STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #6b7785; --grid: #e3e7eb; --page: #fff;
  --forecast: #c2571a; --actual: #2a5d8f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #9aa6b2; --grid: #2c353f;
  --page: #12181f; --forecast: #ff9a5a; --actual: #79b8f2; } }
body { margin: 0 auto; padding: 16px; max-width: 760px; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.25rem; } h2 { font-size: 1rem; margin: 1.5em 0 .3em; overflow-wrap: anywhere; }
p, li { color: var(--soft); font-size: .875rem; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 13px system-ui, sans-serif; }
.grid { stroke: var(--grid); } .cut { stroke: var(--soft); stroke-dasharray: 3 4; }
.history, .actual, .forecast { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.history { stroke: var(--ink); } .actual { stroke: var(--actual); } .forecast { stroke: var(--forecast); }
.band { fill: var(--forecast); opacity: .18; }
.dot { fill: transparent; } .dot:hover { fill: var(--forecast); }
.key { display: inline-block; width: 1.6em; height: .25em; vertical-align: middle; margin-right: .4em; }
"""


class Scale(NamedTuple):
    """From steps and values to places in a picture."""

    steps: int
    low: float
    high: float

    def x(self, step: float) -> float:
        """From the left."""
        return LEFT + step / max(self.steps - 1, 1) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """From the top."""
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)


def draw_page(forecast: Forecast) -> str:
    """An HTML page with a picture of each series of `forecast.pictured`."""
    bands = sorted(
        {name.removeprefix("lo-") for name in forecast.columns if name.startswith("lo-")}, key=float
    )
    legend = [_key("history", "--ink"), _key("forecast", "--forecast")]
    legend += [f"bands of {' and '.join(bands)} %"] if bands else []
    if any(numpy.isfinite(series.actual).any() for series in forecast.pictured):
        legend.append(_key("what came", "--actual"))
    parts = [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Forecast</title>\n<style>{STYLE}</style>\n<h1>Forecast</h1>",
        f"<p>{' &nbsp; '.join(legend)}</p>",
        *(f"<p>{escape(remark)}</p>" for remark in forecast.remarks),
    ]
    parts += [f"<h2>{escape(one.unique_id)}</h2>\n{draw_series(one)}" for one in forecast.pictured]
    return "\n".join([*parts, "</html>", ""])


def draw_series(series: PicturedSeries) -> str:
    """One series as SVG; what is under the pointer says its date and its value."""
    start, columns = len(series.history), series.columns
    steps = start + len(columns["mean"])
    numbers = numpy.concatenate([series.history, series.actual, *columns.values()])
    scale = _scale(steps, numbers[numpy.isfinite(numbers)])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(series.unique_id, quote=True)}">'
    ]
    parts += _axes(series.ds, scale)
    cut = f"{scale.x(start - 0.5):.1f}"
    parts.append(f'<line class="cut" x1="{cut}" x2="{cut}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for name in sorted(columns, key=lambda name: name[3:], reverse=True):
        if name.startswith("lo-"):
            parts.append(_band(scale, start, columns[name], columns[f"hi-{name[3:]}"]))
    parts.append(_line("history", scale, _thin(enumerate(series.history.tolist()))))
    parts.append(_line("actual", scale, enumerate(series.actual.tolist(), start)))
    last = [(start - 1, float(series.history[-1]))] if start else []
    parts.append(_line("forecast", scale, [*last, *enumerate(columns["mean"].tolist(), start)]))
    parts += _titles(series, scale)
    return "\n".join([*parts, "</svg>"])


def _scale(steps: int, numbers: numpy.ndarray) -> Scale:
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return Scale(steps, low - margin, high + margin)


def _axes(ds: Sequence[str], scale: Scale) -> Iterable[str]:
    for value in _ticks(scale.low, scale.high):
        y = f"{scale.y(value):.1f}"
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{value:,.6g}</text>'
    for step, anchor in ((0, "start"), (len(ds) // 2, "middle"), (len(ds) - 1, "end")):
        yield (
            f'<text x="{scale.x(step):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{escape(ds[step])}</text>'
        )


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers within a range.

    >>> _ticks(0.3, 9.1)
    [2.0, 4.0, 6.0, 8.0]
    """
    rough = (high - low) / NUM_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.8)
    first = math.ceil(low / size)
    return [number * size for number in range(first, math.floor(high / size) + 1)]


def _line(kind: str, scale: Scale, points: Iterable[tuple[int, float]]) -> str:
    """Broken where a value is missing."""
    path, is_down = [], False
    for step, value in points:
        if math.isfinite(value):
            path.append(f"{'L' if is_down else 'M'}{scale.x(step):.1f} {scale.y(value):.1f}")
        is_down = math.isfinite(value)
    return f'<path class="{kind}" d="{"".join(path)}"/>'


def _band(scale: Scale, start: int, low: numpy.ndarray, high: numpy.ndarray) -> str:
    ends = [*enumerate(high.tolist(), start), *reversed(list(enumerate(low.tolist(), start)))]
    points = " ".join(f"{scale.x(step):.1f},{scale.y(value):.1f}" for step, value in ends)
    return f'<polygon class="band" points="{points}"/>'


def _thin(points: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    points = list(points)
    return points[:: max(len(points) // MAX_POINTS, 1)]


def _titles(series: PicturedSeries, scale: Scale) -> Iterable[str]:
    start = len(series.history)
    for number, mean in enumerate(series.columns["mean"].tolist()):
        lines = [series.ds[start + number]]
        lines += [f"{name} {values[number]:.6g}" for name, values in series.columns.items()]
        if math.isfinite(series.actual[number]):
            lines.append(f"came {series.actual[number]:.6g}")
        if math.isfinite(mean):
            at = f'cx="{scale.x(start + number):.1f}" cy="{scale.y(mean):.1f}"'
            yield f'<circle class="dot" {at} r="5"><title>{escape(", ".join(lines))}</title></circle>'


def _key(name: str, color: str) -> str:
    return f'<span class="key" style="background: var({color})"></span>{name}'
