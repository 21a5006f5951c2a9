"""A diagnosis as a page of one file: verdicts, and the charts that they rest on."""

from __future__ import annotations

import math
import shlex

from seqloom.inspection.diagnosis.diagnose import MAX_RANKED, Diagnosis
from seqloom.pages.charts.bars import Bar, bar_chart
from seqloom.pages.charts.lines import Series, line_chart
from seqloom.pages.charts.points import Point, scatter
from seqloom.pages.footer import footer_here
from seqloom.pages.html import Html
from seqloom.pages.page import columns, render_page, section
from seqloom.pages.tables import table
from seqloom.pages.tiles import Tile, tiles

MAX_POINTS = 400
"""Units of a scatter; of more, every n-th is shown"""


def make_page(diagnosis: Diagnosis, command: str = "") -> str:
    """The whole page as HTML.

    Args:
        diagnosis: what was measured.
        command: what makes the page again, for its footer; by default without options.
    """
    first = diagnosis.verdicts[0]
    parts = [
        _verdicts(diagnosis),
        _gradients(diagnosis),
        _matrices(diagnosis),
        _gates(diagnosis),
        _memory(diagnosis),
        _training(diagnosis),
    ]
    return render_page(
        f"Diagnosis of {diagnosis.run}",
        [part for part in parts if part],
        lead=f"{first.name[:1].upper()}{first.name[1:]}: {first.evidence}.",
        footer=footer_here(command or shlex.join(["seqloom", "diagnose", diagnosis.run, diagnosis.data])),
        data={"diagnosis": diagnosis.as_json()},
    )


def _verdicts(diagnosis: Diagnosis) -> Html:
    findings = [
        Tile(
            verdict.name,
            "nothing to mend" if verdict.name == "healthy" else "try first",
            "good" if verdict.name == "healthy" else "bad",
            body=f"{verdict.evidence}. {verdict.advice}.",
        )
        for verdict in diagnosis.verdicts
    ]
    return section("Verdicts", tiles(findings))


def _gradients(diagnosis: Diagnosis) -> Html | str:
    series = [
        Series(name, list(range(place.gradient.max_lag + 1)), place.gradient.share.tolist())
        for name, place in diagnosis.places.items()
        if place.gradient is not None
    ]
    if not series:
        return ""
    return section(
        "Gradient by lag",
        line_chart(
            series,
            title="What is left of the loss's gradient so many steps earlier",
            x_label="steps back",
            y_label="share of lag 0",
            y_log=True,
            levels={"1 %": 0.01},
        ),
        lead="Each line is a direction of a layer; the gradient enters at one step and is followed back.",
    )


def _matrices(diagnosis: Diagnosis) -> Html | str:
    series, rows = [], []
    for name, place in diagnosis.places.items():
        for spectrum in [*place.weights, *([place.step] if place.step else [])]:
            values = spectrum.singular
            is_step = spectrum is place.step
            label = f"{name}.{spectrum.name}"
            middle = len(values) // 2
            rows.append([label, *map(float, (values[0], values[middle], values[-1])), spectrum.radius])
            if is_step:
                ranks = [rank / max(len(values) - 1, 1) for rank in range(len(values))]
                series.append(Series(name, ranks, values.tolist()))
    if not rows:
        return ""
    header = ["matrix", "greatest singular value", "median", "least", "spectral radius"]
    chart = ""
    if series:
        chart = line_chart(
            series,
            title="Singular values of a step's Jacobian",
            x_label="rank, from the greatest to the least",
            y_label="singular value",
            y_log=True,
            levels={"1": 1.0},
        )
    return section("Matrices", chart, table(header, rows, title="Recurrent weights and steps"))


def _gates(diagnosis: Diagnosis) -> Html | str:
    points = [
        Point(float(low), float(high), f"unit {unit}", f"{name}.{gate.name}")
        for name, place in diagnosis.places.items()
        for gate in place.gates
        for unit, (low, high) in enumerate(zip(gate.low, gate.high, strict=True))
    ]
    stride = max(1, math.ceil(len(points) / MAX_POINTS))
    rows = [
        [name, place.units.size, len(place.units.dead), len(place.units.duplicates)]
        for name, place in diagnosis.places.items()
    ]
    chart = ""
    if points:
        chart = scatter(
            points[::stride],
            title="How often each unit's gate is shut and open",
            x_label="share of steps below 0.1",
            y_label="share of steps above 0.9",
            x_range=(0.0, 1.0),
            y_range=(0.0, 1.0),
            is_square=True,
            note=f"Every {stride}th unit is shown." if stride > 1 else "",
        )
    return section(
        "Gates and units", chart, table(["layer", "units", "dead", "duplicates"], rows, title="Units")
    )


def _memory(diagnosis: Diagnosis) -> Html:
    horizon = diagnosis.horizon
    charts = [
        line_chart(
            [Series("loss", list(range(len(horizon.reaches))), list(horizon.losses))],
            title="The loss when layers forget all but the last steps",
            x_label="steps back",
            y_label="nats per unit",
            x_names=[str(reach) for reach in horizon.reaches],
            levels={"all steps": horizon.full},
        )
        if horizon.reaches
        else ""
    ]
    bits = [
        Series(name, list(range(len(place.planted.left))), place.planted.left.tolist())
        for name, place in diagnosis.places.items()
        if place.planted is not None
    ]
    if bits:
        charts.append(
            line_chart(
                bits,
                title="What is left of a planted bit",
                x_label="steps later",
                y_label="distance of the states",
                y_log=True,
                levels={"half": 0.5},
            )
        )
    return section("Memory", columns(*charts))


def _training(diagnosis: Diagnosis) -> Html | str:
    history = diagnosis.history
    if not history.train.values:
        return ""
    curves = [Series("training", list(history.train.steps), list(history.train.values))]
    if history.validation.values:
        curves.append(Series("validation", list(history.validation.steps), list(history.validation.values)))
    charts = [line_chart(curves, title="Loss", x_label="step", y_label="nats per unit")]
    if history.norms.values:
        limit = diagnosis.circumstances.gradient_clip
        charts.append(
            line_chart(
                [Series("norm", list(history.norms.steps), list(history.norms.values))],
                title="Norm of the gradient, before it was clipped",
                x_label="step",
                y_label="norm",
                y_log=True,
                levels={} if limit is None else {"clipped above": limit},
            )
        )
    ranked = list(history.by_parameter.items())
    bars = [Bar(name, norm) for name, norm in ranked[:MAX_RANKED]]
    ranking = ""
    if bars:
        more = len(ranked) - len(bars)
        note = f"{more} parameters with smaller ones are left out." if more else ""
        ranking = bar_chart(bars, title="Median norm of the gradient, by parameter", note=note)
    share = history.clipped_share
    lead = "" if share is None else f"{100 * share:.0f} % of the steps were clipped."
    return section("Training", columns(*charts), ranking, lead=lead)
