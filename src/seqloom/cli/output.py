"""What verbs print: messages to standard error, results to standard output."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqloom.training.evaluation import Report


def say(line: str) -> None:
    """A message for the person."""
    print(line, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """The one JSON object on standard output."""
    print(json.dumps(value), flush=True)


def print_report(report: Report) -> None:
    """Model and baseline as a table, and whether the model is worth it."""
    from rich.console import Console
    from rich.table import Table

    from seqloom.training.card import verdict

    table = Table("", "model", "95 % interval", report.baseline_name or "baseline")
    for name, value in report.metrics.items():
        low, high = report.interval[name]
        other = f"{report.baseline[name]:.4f}" if report.baseline else "-"
        table.add_row(name, f"{value:.4f}", f"{low:.4f} to {high:.4f}", other)
    console = Console()
    console.print(f"{report.data}, {report.split} split", highlight=False, soft_wrap=True)
    console.print(table)
    console.print(verdict(report).replace("*", ""), highlight=False)
