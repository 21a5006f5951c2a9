"""Draw docs/forecast.svg: the past of the first series of a run's data, its forecast and its bands.

python docs/forecast.py runs/shops   (the run of docs/tutorials/forecast.md)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy

import seqloom

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 710, 12, 234
STYLE = """<style>
text { fill: #6b7785; font: 13px system-ui, sans-serif; } .grid { stroke: #e3e7eb; }
.cut { stroke: #6b7785; stroke-dasharray: 3 4; } .history, .forecast { fill: none; stroke-width: 1.8; }
.history { stroke: #1c2733; } .forecast { stroke: #c2571a; } .band { fill: #c2571a; opacity: .18; }
</style><rect width="100%" height="100%" fill="#fff"/>"""
GRID = 4
"""Lines, at most"""


def draw(run: Path) -> str:
    """The picture."""
    (series,) = seqloom.load(run).forecast(num_pictured=1).pictured
    history, columns = series.history, series.columns
    steps = len(series.ds)
    bands = {name.removeprefix("lo-") for name in columns if name.startswith("lo-")}
    values = numpy.concatenate([history, *columns.values()])
    low, high = float(numpy.nanmin(values)), float(numpy.nanmax(values))

    def points(first: int, row: numpy.ndarray) -> list[str]:
        x = LEFT + (RIGHT - LEFT) * (first + numpy.arange(len(row))) / (steps - 1)
        y = BOTTOM - (BOTTOM - TOP) * (row - low) / (high - low)
        return [f"{across:.1f},{down:.1f}" for across, down in zip(x.tolist(), y.tolist(), strict=True)]

    start = len(history)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{series.unique_id}">',
        STYLE,
    ]
    unit = 10 ** numpy.floor(numpy.log10((high - low) / GRID))
    step = next(unit * size for size in (1, 2, 5, 10) if (high - low) / (unit * size) <= GRID)
    for value in numpy.arange(numpy.ceil(low / step) * step, high, step).tolist():
        y = points(0, numpy.array([value]))[0].split(",")[1]
        lines += [f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}"/>']
        lines += [f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{value:g}</text>']
    for place, anchor in ((0, "start"), (steps // 2, "middle"), (steps - 1, "end")):
        x = LEFT + (RIGHT - LEFT) * place / (steps - 1)
        lines += [f'<text x="{x:.1f}" y="252" text-anchor="{anchor}">{series.ds[place]}</text>']
    cut = points(start, numpy.array([low]))[0].split(",")[0]
    lines += [f'<line class="cut" x1="{cut}" x2="{cut}" y1="{TOP}" y2="{BOTTOM}"/>']
    for band in sorted(bands, key=float, reverse=True):
        ends = [*points(start, columns[f"lo-{band}"]), *reversed(points(start, columns[f"hi-{band}"]))]
        lines += [f'<polygon class="band" points="{" ".join(ends)}"/>']
    lines += [f'<polyline class="history" points="{" ".join(points(0, history))}"/>']
    lines += [f'<polyline class="forecast" points="{" ".join(points(start, columns["mean"]))}"/>']
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/forecast.py RUN")
    Path(__file__).with_name("forecast.svg").write_text(draw(Path(sys.argv[1])))
