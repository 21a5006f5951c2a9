"""A report for a person: tables that fit the terminal, a line for each mistake. `--json` has all of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seqloom.data.tables.skipped import count_skipped
from seqloom.errors import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from seqloom.evaluation.report import Report

MAX_LABELS = 10
"""Labels up to which a confusion is a whole table; of more, the largest confusions are shown."""
MAX_CONFUSIONS = 10
MAX_TABLE_ROWS = 30
MAX_LABEL_CELLS = 16
MIN_TABLE_CELLS = 40
"""Of a terminal"""
MIN_VALUE_CELLS = 8
"""Of a text that is shortened to make room for the others of its line"""


def print_report(report: Report) -> None:
    """Print model and baseline as a table, whether the model is better, and the task's details."""
    from rich.console import Console

    from seqloom.evaluation.report import describe_baseline, verdict

    # Without markup: a name or a text may have [brackets], which appear as they are.
    console = Console(markup=False, highlight=False, emoji=False)
    skipped = f", {count_skipped(report.skipped)}" if report.skipped else ""
    _print_line(console, f"{report.data}, {report.split} split{skipped}")
    rows = []
    for name, value in report.metrics.items():
        low, high = report.interval[name]
        baseline = f"{report.baseline[name]:.4f}" if name in report.baseline else "-"
        rows.append((name, f"{value:.4f}", f"{low:.4f} to {high:.4f}", baseline))
    if report.is_better is False:  # the first thing to know
        _print_line(console, verdict(report))
    _print_table(console, ("", "model", "95 % interval", report.baseline_name or "baseline"), rows)
    if report.is_better is not False:
        _print_line(console, verdict(report))
    if report.baseline_name:
        _print_line(console, describe_baseline(report))
    for name, detail in report.details.items():
        _print_detail(console, name, detail)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, narrowed to the terminal."""
    from rich.console import Console

    _print_table(Console(markup=False, highlight=False, emoji=False), header, rows)


def _print_detail(console: Console, name: str, detail: Any) -> None:
    """By its form: counts by expected and predicted label, a table of numbers, lines, or one value."""
    if isinstance(detail, Mapping) and detail and all(isinstance(row, Mapping) for row in detail.values()):
        console.print()
        values = [value for row in detail.values() for value in row.values()]
        if all(isinstance(value, int) for value in values):
            _print_confusion(console, name, detail)
        else:
            _print_numbers(console, name, detail)
    elif isinstance(detail, list) and detail:
        _print_line(console, f"\n{name}:")
        for item in detail:
            line = describe_row(item, console.width - 2) if isinstance(item, Mapping) else _text_of(item)
            _print_line(console, f"  {shorten(line, console.width - 2)}")
    else:
        _print_line(console, f"\n{name}: {_text_of(detail) if detail else 'none'}")


def _print_confusion(console: Console, name: str, counts: Mapping[str, Mapping[str, int]]) -> None:
    labels = sorted({*counts, *(predicted for row in counts.values() for predicted in row)})
    if len(labels) <= MAX_LABELS:
        header = (f"{name}: actual", *(f"as {label}" for label in labels))
        rows = [
            (actual, *(f"{counts.get(actual, {}).get(label, 0):,}" for label in labels)) for actual in labels
        ]
        if _print_table(console, header, rows, must_fit=True):
            return
    mistakes = sorted(
        (-count, actual, predicted)
        for actual, row in counts.items()
        for predicted, count in row.items()
        if actual != predicted
    )
    shown, rest = mistakes[:MAX_CONFUSIONS], mistakes[MAX_CONFUSIONS:]
    of_all = "" if not rest else f", the {len(shown)} most frequent"
    _print_line(console, f"{name}: actual, predicted{of_all}")
    for negative, actual, predicted in shown:
        count = f"{-negative:,} of {sum(counts[actual].values()):,}"
        pair = describe_row({"actual": actual, "predicted": predicted}, console.width - 4 - len(count))
        _print_line(console, f"  {shorten(f'{count}  {pair}', console.width - 2)}")
    if rest:
        rows_left_out = -sum(negative for negative, _, _ in rest)
        _print_line(console, f"  {len(rest):,} more pairs of labels, {rows_left_out:,} rows")
    elif not shown:
        _print_line(console, "  no mistakes")


def _print_numbers(console: Console, name: str, table: Mapping[str, Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    rows = [(key, *(_number(row.get(column, "")) for column in columns)) for key, row in table.items()]
    _print_table(console, (name, *columns), rows[:MAX_TABLE_ROWS])
    if len(rows) > MAX_TABLE_ROWS:
        _print_line(console, f"{len(rows) - MAX_TABLE_ROWS:,} more rows of {name}: --json has all of them")


def _print_table(
    console: Console, header: Sequence[str], rows: Sequence[Sequence[str]], must_fit: bool = False
) -> bool:
    """Print a table, narrowed to the terminal; whether it was printed: with `must_fit` only if it fits.

    Where a table with lines around its cells has no room, it has none; where no table has room it is lines.
    """
    from rich.box import SIMPLE

    if console.width < MIN_TABLE_CELLS and not must_fit:
        for first, *cells in rows:
            _print_line(console, shorten(first, console.width))
            for title, cell in zip(header[1:], cells, strict=True):
                named = f"  {one_line(title)} {cell}"
                _print_line(console, named if _cells(named) <= console.width else f"  {cell}")
        return True
    table = _make_table(header, rows)
    width = console.measure(table, options=console.options.update(width=10_000)).maximum
    if width > console.width:
        if must_fit:
            return False
        table = _make_table(header, rows, box=SIMPLE, pad_edge=False, padding=0)
        table.columns[0].no_wrap = True
    console.print(table)
    return True


def _make_table(header: Sequence[str], rows: Sequence[Sequence[str]], **options: Any) -> Table:
    from rich.table import Table

    table = Table(shorten(header[0], 2 * MAX_LABEL_CELLS), **options)
    for title in header[1:]:
        table.add_column(shorten(title, 2 * MAX_LABEL_CELLS), justify="right", overflow="fold")
    for row in rows:
        table.add_row(shorten(row[0], 2 * MAX_LABEL_CELLS), *row[1:])
    return table


def _print_line(console: Console, line: str) -> None:
    """A line of any length, which a terminal wraps by itself; only a line end before it is one."""
    start = "\n" * line.startswith("\n")
    console.print(start + one_line(line.removeprefix("\n")), soft_wrap=True)


def describe_row(row: Mapping[str, Any], width: int) -> str:
    """The values of a row by name, on one line: long texts are shortened until it fits.

    >>> describe_row({"input": "a film that is never dull", "label": "good"}, 40)
    'input: a film tha…ever dull, label: good'
    """
    texts = {name: one_line(_text_of(value)) for name, value in row.items()}
    names = sum(_cells(f"{name}: , ") for name in texts)
    room = width + 2 - names
    for number, name in enumerate(sorted(texts, key=lambda name: _cells(texts[name]))):
        share = max(room // (len(texts) - number), MIN_VALUE_CELLS)
        texts[name] = shorten(texts[name], share, middle=True)
        room -= _cells(texts[name])
    return ", ".join(f"{name}: {text}" for name, text in texts.items())


def shorten(text: str, width: int, middle: bool = False) -> str:
    """A text in at most `width` cells of a terminal; what is left out, at its end or in its middle, is `…`.

    >>> shorten("a long text", 8), shorten("a long text", 8, middle=True), shorten("日本語", 5)
    ('a long …', 'a lo…ext', '日本…')
    """
    from rich.cells import cell_len, chop_cells

    text = one_line(text)
    if cell_len(text) <= width:
        return text
    tail_width = (width - 1) // 2 if middle else 0
    head = chop_cells(text, width - 1 - tail_width)[0] if width > 1 else ""
    tail = chop_cells(text[::-1], tail_width)[0][::-1] if tail_width > 1 else ""
    return f"{head}{_ellipsis()}{tail}"


def _ellipsis() -> str:
    try:
        "…".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return "~"
    return "…"


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    return json.dumps(value, ensure_ascii=False)


def _number(value: Any) -> str:
    return (
        f"{value:.4f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
