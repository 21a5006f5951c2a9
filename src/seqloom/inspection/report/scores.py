"""Scores beside the baseline's, and the details of a report by their form: confusion, tables, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqloom.evaluation.report import Report
from seqloom.pages import Bar, Html, bar_chart, columns, join, number, paragraph, section, table

MAX_LABELS = 14
"""Labels up to which a confusion is a whole table; of more, the largest confusions are shown."""
MAX_ROWS = 12
MAX_CHARACTERS = 280
"""Of a text in a table; a longer one loses its middle."""

NO_BREAK = "\N{NO-BREAK SPACE}"


def draw_scores(report: Report) -> Html:
    """The metric that decides as bars, and all metrics as a table."""
    name, higher = report.primary_metric
    low, high = report.interval[name]
    bars = [Bar("model", report.metrics[name], low, high)]
    if name in report.baseline:
        words = shorten(report.baseline_name or "baseline", 40)
        bars.append(Bar("baseline", report.baseline[name], is_quiet=True, note=words))
    rows = []
    for metric, value in report.metrics.items():
        low, high = report.interval[metric]
        rows.append(
            (
                metric,
                value,
                f"{number(low)} to {number(high)}".replace(" ", NO_BREAK),
                report.baseline.get(metric),
            )
        )
    direction = "higher" if higher else "lower"
    return columns(
        bar_chart(bars, title=f"{name}, {direction} is better"),
        table(["metric", "model", "95 % interval", "baseline"], rows, title="All metrics"),
    )


def draw_details(details: Mapping[str, Any]) -> list[Html]:
    """A section for each detail that has rows, and one for those that are a single value."""
    sections, single = [], []
    for name, detail in details.items():
        title = name.replace("_", " ").capitalize()
        is_table = isinstance(detail, Mapping) and all(isinstance(row, Mapping) for row in detail.values())
        if is_table and detail:
            sections.append(section(title, _draw_table(name, detail)))
        elif isinstance(detail, list) and detail:
            sections.append(section(title, draw_rows(detail)))
        else:
            words = "none" if detail in ([], {}, "", None) else shorten(f"{detail}")
            single.append((name, number(detail) if isinstance(detail, int | float) else words))
    if single:
        sections.append(section("Also measured", table(["what", "value"], single)))
    return sections


def _draw_table(name: str, detail: Mapping[str, Mapping[str, Any]]) -> Html:
    values = [value for row in detail.values() for value in row.values()]
    if values and all(isinstance(value, int) for value in values):
        return draw_confusion(detail)
    keys = list(dict.fromkeys(key for row in detail.values() for key in row))
    rows = [(key, *(row.get(column, "") for column in keys)) for key, row in detail.items()]
    return table([name.replace("_", " "), *keys], rows, most=40)


def draw_confusion(counts: Mapping[str, Mapping[str, int]]) -> Html:
    """How often which label was taken for which: a table, or the most frequent mistakes of many labels.

    Args:
        counts: for each actual label how often each label was predicted.
    """
    labels = sorted({*counts, *(predicted for row in counts.values() for predicted in row)})
    if len(labels) > MAX_LABELS:
        mistakes = sorted(
            (-count, actual, predicted)
            for actual, row in counts.items()
            for predicted, count in row.items()
            if actual != predicted and count
        )
        rows = [
            (actual, predicted, -count, 100.0 * -count / sum(counts[actual].values()))
            for count, actual, predicted in mistakes
        ]
        header = ["actual", "predicted", "rows", "% of actual"]
        return table(header, rows, title="The most frequent mistakes", most=MAX_ROWS)
    shades, rows = {}, []
    for turn, actual in enumerate(labels):
        row = counts.get(actual, {})
        total = sum(row.values())
        cells = [row.get(predicted, 0) for predicted in labels]
        shades |= {(turn, place): count / max(total, 1) for place, count in enumerate(cells, 1)}
        recall = 100.0 * row.get(actual, 0) / total if total else None
        rows.append((actual, *cells, recall))
    return table(["actual", *(f"as {label}" for label in labels), "% right"], rows, shades=shades)


def draw_rows(rows: Sequence[Any], most: int = MAX_ROWS) -> Html:
    """Rows of a report: mappings as a table, texts as lines."""
    shown = list(rows[:most])
    cut = any(len(_text_of(value)) > MAX_CHARACTERS for row in shown for value in _values(row))
    note = f"Texts above {MAX_CHARACTERS} characters lose their middle." if cut else ""
    if all(isinstance(row, Mapping) for row in shown):
        keys = [key for key in dict.fromkeys(key for row in shown for key in row) if _is_shown(shown, key)]
        cells = [[_cell(row.get(key, "")) for key in keys] for row in shown]
        if len(rows) > most:
            note = f"{note} {len(rows) - most:,} more are in the JSON of this page.".strip()
        return table([key.replace("_", " ") for key in keys], cells, note=note)
    lines = [paragraph(shorten(_text_of(row))) for row in shown]
    return join([*lines, paragraph(note, "note") if note else ""])


def _values(row: Any) -> Sequence[Any]:
    return list(row.values()) if isinstance(row, Mapping) else [row]


def _is_shown(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    return all(isinstance(row.get(key, ""), str | int | float | list | tuple) for row in rows)


def _cell(value: Any) -> object:
    return value if isinstance(value, int | float) else shorten(_text_of(value))


def _text_of(value: Any) -> str:
    if isinstance(value, list | tuple):
        between = " " if all(isinstance(part, str) and " " not in part for part in value) else " / "
        return between.join(map(_text_of, value))
    return str(value)


def shorten(text: str, most: int = MAX_CHARACTERS) -> str:
    """A text without its middle if it is too long.

    >>> shorten("abcdefghij", 7)
    'abc … hij'
    """
    if len(text) <= most:
        return text
    return f"{text[: most // 2]} … {text[-(most // 2) :]}"
