"""The page of claims: a sentence with the counts, sliders, and a tile for each claim."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

from seqloom.errors import DataError
from seqloom.inspection.claims import sliders
from seqloom.inspection.claims.claim import Picture, Verdict, number
from seqloom.inspection.claims.report import claims_json, counts
from seqloom.inspection.claims.running import Outcome
from seqloom.pages import (
    Bar,
    Frame,
    Html,
    Series,
    Tile,
    bar_chart,
    element,
    footer_here,
    join,
    line_chart,
    paragraph,
    render_page,
    section,
    slider,
    tiles,
)
from seqloom.pages.tiles import Tone

TONES: Mapping[Verdict, Tone] = {
    Verdict.SHOWN: "good",
    Verdict.HOLDS: "good",
    Verdict.IN_PART: "mixed",
    Verdict.FAILS: "bad",
    Verdict.NOT_RUN: "none",
}
DATA = "claims"
"""The id of the JSON inside"""
TITLE = "What a textbook says of recurrent networks, measured"
FLOOR = 1e-30
"""Below which a curve on a log axis is drawn no deeper"""
SMALL = 150
"""Height of a tile's chart"""
POINTS = 34
"""Of a curve: all are smooth"""


def render_claims(outcomes: Sequence[Outcome], command: str) -> str:
    """The page as one string.

    Args:
        outcomes: of `run_claims`.
        command: what makes the page again.
    """
    half = [outcome for outcome in outcomes if outcome.claim.half_true]
    rest = [outcome for outcome in outcomes if not outcome.claim.half_true]
    parts = [
        section(
            "Half-true ones first",
            tiles([make_tile(outcome) for outcome in half]),
            lead="The sentence as it is meant, and a wider sense in which it is often taken.",
        )
        if half
        else "",
        section("Try it", *_sliders()),
        section("The others", tiles([make_tile(outcome) for outcome in rest])) if rest else "",
    ]
    remarks = [
        "Thresholds are in the code, and no run changes them; a figure is the least favorable one of "
        "its seeds, with the least and the most in brackets."
    ]
    return render_page(
        TITLE,
        [part for part in parts if part],
        lead=counts_sentence(outcomes),
        footer=footer_here(command, remarks),
        data={DATA: claims_json(outcomes)},
    )


def counts_sentence(outcomes: Sequence[Outcome]) -> str:
    """How many were shown, hold, and so on, in a sentence."""
    told = counts(outcomes)
    words = {
        "shown": "were shown",
        "holds": "hold",
        "holds in part": "hold in part",
        "does not hold": "do not hold",
        "not run": "were not run",
    }
    parts = [f"{told[verdict]} {phrase}" for verdict, phrase in words.items() if told[verdict]]
    return (
        f"Of {len(outcomes)} statements of a chapter on sequence models, {', '.join(parts)} on this machine."
    )


def make_tile(outcome: Outcome) -> Tile:
    """A claim as a tile."""
    claim, finding, figure = outcome.claim, outcome.finding, outcome.figure
    value = "" if figure is None else f"{number(figure.value)} {figure.unit}".strip()
    lines = [
        element("li", ("in a wider sense, " if check.wider else "") + check.describe())
        for check in finding.checks
    ]
    body = [
        paragraph(_sentence(("in a wider sense: " if figure.wider else "") + figure.what)) if figure else "",
        draw_picture(finding.picture, f"Claim {claim.number}") if finding.picture else "",
        Html(f"<ul>{join(lines)}</ul>") if lines else "",
        paragraph(_sentence(finding.note)) if finding.note else "",
        paragraph(f"Ran: {_sentence(finding.ran)}", "note") if finding.ran else "",
        Html(f"<p><code>seqloom claims {claim.number}</code></p>"),
    ]
    return Tile(
        claim.sentence,
        str(outcome.verdict),
        TONES[outcome.verdict],
        value,
        join([part for part in body if part]),
        anchor=f"claim-{claim.number}",
        label=str(claim.number),
    )


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}" + ("" if words.endswith((".", "`")) else ".")


def draw_picture(picture: Picture, title: str) -> Html:
    """A claim's chart."""
    if picture.kind == "bars":
        bars = [Bar(name, values[0]) for name, values in picture.series.items()]
        return bar_chart(bars, title=picture.y_label or title)
    return line_chart(
        [_thin_series(name, picture.x, values, picture.log) for name, values in picture.series.items()],
        title=picture.y_label or title,
        x_label=picture.x_label,
        y_log=picture.log,
        height=SMALL,
    )


def _thin_series(name: str, x: Sequence[float], y: Sequence[float], log: bool) -> Series:
    """Every few points, the first and the last among them."""
    step = max(len(y) // POINTS, 1)
    places = sorted({*range(0, len(y), step), len(y) - 1})
    return Series(name, [x[place] for place in places], _drawable([y[place] for place in places], log))


def _drawable(values: Sequence[float], log: bool) -> list[float]:
    return [max(value, FLOOR) for value in values] if log else list(values)


@cache
def _sliders() -> tuple[Html, ...]:
    lags = list(range(1, sliders.STEPS + 1))
    radius = [
        Frame(
            position.name,
            line_chart(
                [_thin_series(name, lags, values, True) for name, values in position.curves.items()],
                title=f"Spectral radius {position.name}",
                x_label="lag, steps",
                y_label="norm of the gradient",
                y_log=True,
                y_range=(1e-30, 1e9),
            ),
        )
        for position in sliders.radius_positions()
    ]
    forget = [
        Frame(
            position.name,
            line_chart(
                [_thin_series("cell", lags, position.curves["cell"], False)],
                title=f"Forget gate at {position.name}",
                x_label="steps",
                y_label="what is left of 1",
                y_range=(0.0, 1.0),
            ),
        )
        for position in sliders.forget_positions()
    ]
    lag = [
        Frame(
            position.name,
            bar_chart(
                [Bar(name, values[0]) for name, values in position.curves.items()],
                title=f"What is left of the gradient {position.name} steps back, before training",
            ),
        )
        for position in sliders.lag_positions()
    ]
    return (
        slider(
            "Factors multiplied: the recurrent weight's spectral radius",
            radius,
            label="spectral radius",
            start=sliders.RADII.index(0.9),
            note="A random weight of 64 units: its singular values are larger than its radius, so that the "
            "first steps may grow where the radius is below 1.",
        ),
        slider(
            "What the forget gate keeps",
            forget,
            label="forget gate clamped at",
            start=sliders.FORGET.index(0.9),
        ),
        slider("How far a gradient reaches", lag, label="lag", start=sliders.LAGS.index(20)),
    )


def read_claims(path: Path) -> dict[str, Any]:
    """What a page, or a file of `seqloom claims --json`, holds.

    Raises:
        DataError: it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            match = re.search(rf'<script type="application/json" id="{DATA}">(.*?)</script>', text, re.DOTALL)
            text = unescape(match[1]) if match else ""
        content = json.loads(text)
        for claim in content["claims"]:
            _ = claim["number"], claim["verdict"], claim["checks"]
        _ = content["machine"]["processor"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        got = error.strerror if isinstance(error, OSError) else "another file"
        raise DataError(
            path, "expected a page of `seqloom claims --out`, or its --json", got=str(got)
        ) from None
    return content
