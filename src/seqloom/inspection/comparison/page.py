"""The page of a comparison: scores with their seeds, the table, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from seqloom.files import write_atomically
from seqloom.inspection.comparison.comparison import HEADER, Comparison, Row
from seqloom.pages import (
    Bar,
    Series,
    Tile,
    dot_chart,
    footer_here,
    line_chart,
    paragraph,
    render_page,
    section,
    table,
    tiles,
)
from seqloom.pages.tiles import Tone

FILE = "comparison.html"
TEST = "p is that of Welch's t test over seeds, corrected for the number of pairs (Holm)."
WORDS: Mapping[bool | None, tuple[str, Tone]] = {
    True: ("larger than the spread", "good"),
    None: ("one seed", "none"),
}


def write_comparison(folder: Path, comparison: Comparison, command: str) -> Path:
    """Write `comparison.html` into the folder of the runs; it is replaced.

    Args:
        folder: of the runs.
        comparison: what came out.
        command: what makes the page again.
    """
    write_atomically(folder / FILE, render_comparison(comparison, command))
    return folder / FILE


def render_comparison(comparison: Comparison, command: str) -> str:
    """The page as one string."""
    about, score, *_ = comparison.lines()
    bars = [_bar(row) for row in comparison.rows]
    note = "Whiskers go from the least to the greatest of the seeds." if comparison.seeds > 1 else ""
    if comparison.baseline is not None:
        bars.append(Bar("baseline", comparison.baseline, is_quiet=True))
    return render_page(
        f"Cells compared on {Path(comparison.data).name}",
        [
            section(
                "Scores",
                dot_chart(bars, title=f"{comparison.metric}, {comparison.split} split", note=note),
                lead=score,
            ),
            section("What differs", *_differences(comparison)),
            section("What each costs", table(HEADER, comparison.table()), *comparison.lines()[2:4]),
            section("On the way", _course(comparison)),
        ],
        lead=about,
        footer=footer_here(command),
        data={"comparison": comparison.as_json()},
    )


def _bar(row: Row) -> Bar:
    mean = sum(row.scores) / len(row.scores)
    spread = (min(row.scores), max(row.scores)) if len(row.scores) > 1 else (None, None)
    return Bar(row.variant.name, mean, *spread)


def _differences(comparison: Comparison) -> list[str]:
    """A tile for each that is larger than the seeds' spread, or is of one seed; of all a table."""
    larger = [
        Tile(pair.describe(comparison.metric), *WORDS[pair.is_larger_than_spread])
        for pair in comparison.differences
        if pair.is_larger_than_spread is not False
    ]
    header = ("ahead", "of", f"by, in {comparison.metric}", "p", "more than the seeds' spread")
    rows = [
        (
            pair.better,
            pair.worse,
            f"{pair.difference:.4g}",
            "-" if pair.p is None else f"{pair.p:.2g}",
            {True: "yes", False: "no", None: "unknown"}[pair.is_larger_than_spread],
        )
        for pair in comparison.differences
    ]
    if not rows:
        return ["One variant alone."]
    return [*([tiles(larger)] if larger else []), table(header, rows), paragraph(TEST)]


def _course(comparison: Comparison) -> str:
    """The validation score by step, the mean over seeds at the steps that all of them have."""
    series = []
    for row in comparison.rows:
        runs = [dict(result.validated) for result in row.results]
        steps = sorted(set.intersection(*map(set, runs))) if runs else []
        if steps:
            means = [sum(run[step] for run in runs) / len(runs) for step in steps]
            series.append(Series(row.variant.name, steps, means))
    if not series:
        return "No validation at the same step in all seeds."
    return line_chart(
        series,
        title=f"{comparison.metric} on the validation split, the mean over seeds",
        x_label="step",
        levels={"target": comparison.target},
    )
