"""A page with everything that pages are made of, on made-up numbers and with hostile text."""

from __future__ import annotations

import math

import pytest

from seqloom.pages import (
    Band,
    Bar,
    Footer,
    Frame,
    Mark,
    Point,
    Series,
    Tile,
    bar_chart,
    columns,
    heat_strip,
    histogram,
    line_chart,
    render_page,
    scatter,
    section,
    slider,
    stepper,
    table,
    tiles,
)

HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=alert(1)>\"'&"


def build_gallery() -> str:
    """The page."""
    steps = list(range(0, 2000, 40))
    curve = [3.2 * math.exp(-step / 400) + 1.4 + 0.05 * math.sin(step) for step in steps]
    validation = [value + 0.1 + step / 9000 for step, value in zip(steps, curve, strict=True)][::5]
    lags = list(range(1, 101, 5))
    norms = [
        Series(f"radius {radius}", lags, [radius**lag for lag in lags]) for radius in (0.5, 0.9, 1.0, 1.2)
    ]
    mean = [math.sin(step / 5) for step in range(30)]
    band = Band([value - 0.3 for value in mean], [value + 0.3 for value in mean], "80 %")
    days = [f"2026-11-{day:02d}" for day in range(1, 31)]
    gates = [[math.sin(unit + step / 6) for step in range(60)] for unit in range(24)]
    small = [[math.cos(unit * step) for step in range(12)] for unit in range(4)]
    course = line_chart(
        [Series("training", steps, curve), Series("validation", steps[::5], validation)],
        title="Validation loss stops falling at step 1,200",
        x_label="step",
        y_label="nats per character",
        levels={"baseline": 2.1},
        marks=[Mark(1200, "best")],
    )
    vanishing = line_chart(
        norms, title="Gradients by lag", x_label="lag, steps", y_label="relative norm", y_log=True
    )
    forecast = line_chart(
        [Series("forecast", list(range(30)), mean, [band])], title="Forecast", x_names=days, y_label="sales"
    )
    confusion = table(
        ["actual", "as good", f"as {HOSTILE}"],
        [["good", 90, 10], [HOSTILE, 5, 95]],
        title="Confusion",
        shades={(0, 1): 0.9, (0, 2): 0.1, (1, 1): 0.05, (1, 2): 0.95},
    )
    bars = [
        Bar("LSTM", 0.93, 0.9, 0.95),
        Bar("GRU", 0.91, 0.88, 0.93),
        Bar("majority", 0.5, is_quiet=True, note="baseline"),
    ]
    frames = [Frame(f"{radius}", course if radius == 0.5 else vanishing) for radius in (0.5, 0.9)]
    findings = [
        Tile("An RNN reuses its parameters", "holds", "good", "3,200", "The same for 1 and 1,000 steps.",
             "claim-4", "4"),
        Tile("The GRU trains faster", "holds in part", "mixed", "1.08 ×", "", "claim-25", "25"),
        Tile("The LSTM prevents exploding", "does not hold", "bad", "82.5", HOSTILE, "claim-15", "15"),
        Tile("Attention is all one needs", "not run", "none", "", "", "claim-29", "29"),
    ]  # fmt: skip
    points = [
        Point(unit / 64, (unit * 37 % 64) / 64, f"unit {unit}", f"layer {unit % 2}") for unit in range(64)
    ]
    return render_page(
        f"A run of {HOSTILE}",
        [
            section("Course", columns(course, vanishing), lead="It learns, and then it learns by heart."),
            section(
                "Scores", columns(bar_chart(bars, title="Accuracy"), confusion), "Text between, " + HOSTILE
            ),
            section("Forecast", columns(forecast, histogram([row[0] for row in gates], title="Gates"))),
            section(
                "Units",
                heat_strip(gates, title="Cells", row_names=[f"unit {unit}" for unit in range(24)]),
                heat_strip(small, title="Few", row_names=["i", "f", "g", "o"], column_names="hello world\n"),
            ),
            section(
                "Gates", scatter(points, title="Saturation", x_label="share below 0.1", is_square=True,
                                 x_range=(0, 1), y_range=(0, 1), y_label="share above 0.9")
            ),
            section("Statements", tiles(findings)),
            section("Radius", slider("Loss by radius", frames, label="spectral radius")),
            section("Steps", stepper("One step after another", frames, label="step")),
        ],
        lead="The model is better than the baseline, 6-gram, by 0.142 to 0.151 nats per character.",
        footer=Footer("seqloom train book.txt", "AMD EPYC, 2 cores", {"seqloom": "0.1.0"}, "2026-11-26"),
        data={"result": {"name": HOSTILE, "loss": math.nan}},
    )  # fmt: skip


@pytest.fixture(scope="session")
def gallery() -> str:
    """The page as text."""
    return build_gallery()
