"""Heat strips: units by steps, labels by labels, as a table of colors."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from seqloom.pages.charts.plot import draw_figure
from seqloom.pages.charts.png import draw_mask
from seqloom.pages.html import Html, text
from seqloom.pages.numbers import number

MAX_TITLED = 600
"""Cells that are elements with a title each; more are one picture, and a line below says what is under the
pointer."""
ROW_PIXELS = 18
MIN_ROW_PIXELS, MAX_PIXELS = 4, 480
LEVELS = 255
MAX_NAMED_COLUMNS = 40


def heat_strip(
    values: Sequence[Sequence[float]],
    *,
    title: str,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    low: float | None = None,
    high: float | None = None,
    note: str = "",
) -> Html:
    """A table of numbers as colors: clear at 0, the accent above, the second color below.

    Args:
        values: rows from the top, all of one length; missing ones stay clear.
        title: what is shown.
        row_names: of the rows: units, labels.
        column_names: of the columns: steps, characters.
        low: the value with the full second color; None: of the values, as far from 0 as `high`.
        high: the value with the full accent.
        note: a sentence below.

    >>> "unit 0, a: 0.500" in heat_strip([[0.5, -1.0]], title="t", row_names=["unit 0"], column_names="ab")
    True
    """
    flat = [value for row in values for value in row if value == value and abs(value) < float("inf")]
    high = max([abs(value) for value in flat], default=1.0) if high is None else high
    low = (-high if any(value < 0 for value in flat) else 0.0) if low is None else low
    num_columns = len(values[0]) if values else 0
    if not num_columns:
        return draw_figure(title, Html('<p class="note">nothing to show</p>'), note=note)
    row_names = row_names or [f"{row}" for row in range(len(values))]
    column_names = column_names or [f"{column}" for column in range(num_columns)]
    row_pixels = max(min(ROW_PIXELS, MAX_PIXELS // len(values)), MIN_ROW_PIXELS)
    if len(flat) <= MAX_TITLED:
        body = _cells(values, low, high, row_names, column_names)
    else:
        body = _picture(values, low, high, row_names, column_names)
    names = ""
    if row_pixels >= ROW_PIXELS:
        names = "".join(f"<span>{text(name)}</span>" for name in row_names)
    steps = ""
    if num_columns <= MAX_NAMED_COLUMNS and any(column_names):
        steps = "".join(f"<span>{text(_visible(name))}</span>" for name in column_names)
    pixels = row_pixels * len(values)
    kind = "heat named" if names else "heat"
    summary = f"{title}. {len(values):,} rows by {num_columns:,} columns, {number(low)} to {number(high)}."
    shown = Html(
        f'<div class="{kind}"><div class="rows" aria-hidden="true">{names}</div>'
        f'<div class="cells" role="img" aria-label="{text(summary)}" style="height:{pixels}px">{body}</div>'
        f'<div class="steps" aria-hidden="true">{steps}</div></div>{_key(low, high)}'
    )
    return draw_figure(title, shown, note=note)


def _visible(name: str) -> str:
    return {" ": "␣", "\n": "↵", "\t": "⇥"}.get(name, name)


def _level(value: float, low: float, high: float) -> tuple[float, bool]:
    """How far from 0, 0 to 1, and whether below it."""
    if value != value:
        return 0.0, False
    end = high if value >= 0 else low
    return (min(abs(value / end), 1.0) if end else 0.0), value < 0


def _cells(
    values: Sequence[Sequence[float]],
    low: float,
    high: float,
    row_names: Sequence[str],
    column_names: Sequence[str],
) -> str:
    cells = []
    for row, numbers in enumerate(values):
        for column, value in enumerate(numbers):
            level, is_below = _level(value, low, high)
            words = text(f"{row_names[row]}, {_visible(column_names[column])}: {number(float(value))}")
            color = ' class="below"' if is_below else ""
            cells.append(
                f'<rect x="{column}" y="{row}" width="1" height="1"{color} fill-opacity="{level:.2f}">'
                f"<title>{words}</title></rect>"
            )
    box = f"0 0 {len(values[0])} {len(values)}"
    return f'<svg viewBox="{box}" preserveAspectRatio="none">{"".join(cells)}</svg>'


def _picture(
    values: Sequence[Sequence[float]],
    low: float,
    high: float,
    row_names: Sequence[str],
    column_names: Sequence[str],
) -> str:
    """Two masks, one a color; the script reads the numbers back, in 255 levels."""
    above, below = [], []
    for row in values:
        levels = [_level(value, low, high) for value in row]
        above.append(bytes(0 if is_below else round(LEVELS * level) for level, is_below in levels))
        below.append(bytes(round(LEVELS * level) if is_below else 0 for level, is_below in levels))
    layers = _mask("", draw_mask(above))
    if any(any(row) for row in below):
        layers += _mask(" below", draw_mask(below))
    packed = [
        base64.b64encode(bytes(128 + (up >> 1) - (down + 1 >> 1) for up, down in zip(a, b, strict=True)))
        for a, b in zip(above, below, strict=True)
    ]
    data = " ".join(row.decode() for row in packed)
    names = "\n".join(name.replace("\n", "↵") for name in row_names)
    steps = "\n".join(_visible(name).replace("\n", "↵") for name in column_names)
    return (
        f'{layers}<div class="read" data-levels="{data}" data-low="{low:.6g}" data-high="{high:.6g}" '
        f'data-rows="{text(names)}" data-columns="{text(steps)}"></div>'
    )


def _mask(kind: str, uri: str) -> str:
    style = f"-webkit-mask-image:url({uri});mask-image:url({uri})"
    return f'<div class="layer{kind}" style="{style}"></div>'


def _key(low: float, high: float) -> str:
    start = (
        f'<span>{number(float(low))}</span><i class="below"></i><span>0</span>'
        if low < 0
        else "<span>0</span>"
    )
    return f'<p class="key">{start}<i></i><span>{number(float(high))}</span><output></output></p>'
