"""Pages of one file, which open by a double click: charts, tables, tiles, sliders, and the frame around.

Strings and numbers in, one string of HTML out. SVG is written by Python with `<title>` hovers; `page.js`
is all the JavaScript there is. A page fetches nothing. Plain text is escaped wherever it goes; what is `Html`
was made here.

>>> chart = line_chart([Series("loss", [1, 2], [3.0, 2.0])], title="The loss falls")
>>> page = render_page("A run", [section("Course", chart)], footer=footer_here("seqloom train a.txt"))
>>> page.startswith("<!doctype html>")
True
"""

from seqloom.pages.charts.bars import Bar, bar_chart, dot_chart, histogram
from seqloom.pages.charts.heat import heat_strip
from seqloom.pages.charts.lines import Band, Mark, Series, line_chart
from seqloom.pages.charts.points import Point, scatter
from seqloom.pages.footer import Footer, footer_here
from seqloom.pages.frames import Frame, slider, stepper
from seqloom.pages.html import Html, element, join, paragraph, text
from seqloom.pages.numbers import number, percent
from seqloom.pages.page import columns, embed_json, render_page, section
from seqloom.pages.reader import reader
from seqloom.pages.tables import table
from seqloom.pages.tiles import Tile, status, tiles

__all__ = [
    "render_page",
    "section",
    "columns",
    "paragraph",
    "text",
    "element",
    "join",
    "Html",
    "embed_json",
    "line_chart",
    "Series",
    "Band",
    "Mark",
    "bar_chart",
    "dot_chart",
    "Bar",
    "histogram",
    "scatter",
    "Point",
    "heat_strip",
    "table",
    "tiles",
    "Tile",
    "status",
    "slider",
    "stepper",
    "reader",
    "Frame",
    "Footer",
    "footer_here",
    "number",
    "percent",
]
