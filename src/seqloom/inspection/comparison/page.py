"""The page of a comparison: scores with their seeds, the table, and what differs."""

from __future__ import annotations

from pathlib import Path

from seqloom.files import write_atomically
from seqloom.inspection.comparison.comparison import HEADER, Comparison, Row
from seqloom.inspection.comparison.statistics import Difference
from seqloom.pages import (
    Bar,
    Series,
    Tile,
    bar_chart,
    footer_here,
    line_chart,
    render_page,
    section,
    table,
    tiles,
)

FILE = "comparison.html"


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
                bar_chart(bars, title=f"{comparison.metric}, {comparison.split} split", note=note),
                lead=score,
            ),
            section(
                "What differs", tiles([_tile(pair, comparison.metric) for pair in comparison.differences])
            ),
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


def _tile(pair: Difference, metric: str) -> Tile:
    if pair.is_larger_than_spread is None:
        return Tile(pair.describe(metric), "one seed")
    if pair.is_larger_than_spread:
        return Tile(pair.describe(metric), "larger than the spread", "good")
    return Tile(pair.describe(metric), "no larger than the spread", "mixed")


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
