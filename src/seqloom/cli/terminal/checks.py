"""Checks for a person: a line each, with its numbers below it, no wider than 80 columns."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from seqloom.errors import one_line

if TYPE_CHECKING:
    from seqloom.inspection.checks.finding import CheckReport

MOST_COLUMNS = 80
MARKS = {"pass": "pass", "fail": "FAIL", "not applicable": "n/a "}


def print_checks(report: CheckReport) -> None:
    """Print each check with its result and evidence; where it fails, also what to look at."""
    width = min(shutil.get_terminal_size((MOST_COLUMNS, 24)).columns, MOST_COLUMNS)
    print(one_line(f"{report.run}, {report.task}, on {report.data}, {report.split} split"))
    for check in report.checks:
        print(f"{MARKS[check.result]}  {check.name}: {check.claim}.")
        _print_wrapped(check.evidence, width)
        if check.advice:
            _print_wrapped(f"Do: {check.advice}.", width)
    counts = Counter(check.result for check in report.checks)
    parts = [f"{counts['pass']} passed", f"{counts['fail']} failed"]
    print(", ".join([*parts, f"{counts['not applicable']} not applicable"]))
    if report.failed:
        _print_wrapped(f"failed: {', '.join(report.failed)}", width, "")


def _print_wrapped(text: str, width: int, indent: str = " " * 6) -> None:
    print(textwrap.fill(one_line(text), width, initial_indent=indent, subsequent_indent=indent))
