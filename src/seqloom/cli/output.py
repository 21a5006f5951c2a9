"""What verbs print: messages to standard error, results to standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqloom.evaluation.report import Report
    from seqloom.tasks.base import Output


NEXT = {"generate": "generate", "translate": "translate", "transcribe": "transcribe"}
"""Tasks that have a verb of their own; the others are used by `predict`."""


def log(line: str) -> None:
    """A message for the person."""
    print(line, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """The one JSON object on standard output."""
    print(json.dumps(value), flush=True)


def print_report(report: Report) -> None:
    """Model and baseline as a table, and whether the model is worth it."""
    from rich.console import Console
    from rich.table import Table

    from seqloom.runs.model_card import verdict

    table = Table("", "model", "95 % interval", report.baseline_name or "baseline")
    for name, value in report.metrics.items():
        low, high = report.interval[name]
        other = f"{report.baseline[name]:.4f}" if name in report.baseline else "-"
        table.add_row(name, f"{value:.4f}", f"{low:.4f} to {high:.4f}", other)
    console = Console()
    console.print(f"{report.data}, {report.split} split", highlight=False, soft_wrap=True)
    console.print(table)
    console.print(verdict(report).replace("*", ""), highlight=False)
    if report.skipped:
        console.print(
            f"{len(report.skipped):,} rows skipped, the first: {report.skipped[0]}", highlight=False
        )
    for name, note in report.details.items():
        lines = [note] if isinstance(note, str) else note if isinstance(note, list) else [json.dumps(note)]
        console.print(
            "\n".join([f"\n{name}:", *map(_line, lines)]), highlight=False, markup=False, soft_wrap=True
        )


def print_answers(answers: Sequence[Output]) -> None:
    """A line for each; what was wrong with an input is said on standard error."""
    for answer in answers:
        print(answer.text, flush=True)
        if "error" in answer.details:
            log(f"skipped: {answer.details['error']}")


def _line(value: Any) -> str:
    return f"  {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def decoding_of(settings: Sequence[str] | None) -> dict[str, Any]:
    """`["decoding.num_beams=5"]` as `{"num_beams": 5}`.

    Raises:
        ConfigError: another part than decoding: a trained model has what it was trained with.
    """
    from seqloom.errors import ConfigError
    from seqloom.runs.config import parse_settings

    nested = parse_settings(settings or [])
    for part in nested:
        if part != "decoding":
            raise ConfigError("--set", "only decoding.* can be set for a trained model", got=part)
    return nested.get("decoding", {})
