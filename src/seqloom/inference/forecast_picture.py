"""A page with pictures of forecasts: history, forecast, bands, and what came. One file, without a network."""

from __future__ import annotations

import math

from seqloom.pages import Band, Html, Mark, Series, line_chart, paragraph, render_page
from seqloom.tasks.forecasting import Forecast, PicturedSeries

FORECAST, ACTUAL, HISTORY = 0, 2, 5
"""Their colors"""


def draw_page(forecast: Forecast) -> str:
    """An HTML page with a picture of each series of `forecast.pictured`."""
    remarks = [paragraph(remark, "note") for remark in forecast.remarks]
    return render_page("Forecast", [*remarks, *map(draw_series, forecast.pictured)])


def draw_series(series: PicturedSeries) -> Html:
    """One series as a chart; what is under the pointer says its date and its values."""
    start, columns = len(series.history), series.columns
    steps = list(range(start, start + len(columns["mean"])))
    levels = sorted((name[3:] for name in columns if name.startswith("lo-")), key=float, reverse=True)
    last = series.history[-1:].tolist()  # the line goes on from it, and has no band there
    gap = [math.nan] * len(last)
    bands = [
        Band([*gap, *columns[f"lo-{level}"].tolist()], [*gap, *columns[f"hi-{level}"].tolist()], f"{level} %")
        for level in levels
    ]
    places = [*range(start - len(last), start), *steps]
    lines = [
        Series("forecast", places, [*last, *columns["mean"].tolist()], bands, FORECAST),
        Series("what came", steps, series.actual.tolist(), color=ACTUAL),
        Series("history", range(start), series.history.tolist(), color=HISTORY),
    ]
    shown = [line for line in lines if any(value == value for value in line.y)]
    note = f"Bands of {' and '.join(reversed(levels))} %." if levels else ""
    marks = [Mark(start - 0.5, "forecast")] if start else []
    return line_chart(shown, title=series.unique_id, x_names=series.ds, marks=marks, note=note)
