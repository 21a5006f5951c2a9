"""What verbs print: results to standard output, messages to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqloom.evaluation.report import Report
    from seqloom.tasks.base import Output


def log(line: str) -> None:
    """Print a message on standard error."""
    print(line, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print the one JSON object on standard output."""
    print(json.dumps(value), flush=True)


def print_report(report: Report) -> None:
    """Print model and baseline as a table, whether the model is better, and the task's details."""
    from rich.console import Console
    from rich.table import Table

    from seqloom.runs.model_card import verdict

    table = Table("", "model", "95 % interval", report.baseline_name or "baseline")
    for name, value in report.metrics.items():
        low, high = report.interval[name]
        baseline = f"{report.baseline[name]:.4f}" if name in report.baseline else "-"
        table.add_row(name, f"{value:.4f}", f"{low:.4f} to {high:.4f}", baseline)
    # Without markup: a name or a text may have [brackets], which appear as they are.
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(f"{report.data}, {report.split} split", soft_wrap=True)
    console.print(table)
    console.print(verdict(report).replace("*", ""))
    if report.skipped:
        console.print(f"{len(report.skipped):,} rows skipped, the first: {report.skipped[0]}", soft_wrap=True)
    for name, detail in report.details.items():
        lines = detail if isinstance(detail, list) else [detail]
        console.print("\n".join([f"\n{name}:", *map(_line, lines)]), soft_wrap=True)


def _line(value: Any) -> str:
    return f"  {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"


def print_answers(answers: Sequence[Output]) -> None:
    """Print a line per answer; what was wrong with an input is a message on standard error."""
    for answer in answers:
        print(answer.text, flush=True)
        if "error" in answer.details:
            log(f"skipped: {answer.details['error']}")


def run_settings(settings: Sequence[str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The option `--set` of verbs for trained models: how to decode, and how data is read.

    `["decoding.num_beams=5", "data.separator=;"]` is `({"num_beams": 5}, {"separator": ";"})`.

    Raises:
        ConfigError: a setting of another part, which is fixed once a model is trained.
    """
    if not settings:
        return {}, {}
    from seqloom.errors import ConfigError
    from seqloom.runs.config import READING_KEYS, parse_settings

    parts = parse_settings(settings)
    fixed = [part for part in parts if part not in ("decoding", "data")]
    fixed += [f"data.{key}" for key in parts.get("data", ()) if key not in READING_KEYS]
    if fixed:
        keys = ", ".join(f"data.{key}" for key in READING_KEYS)
        expected = f"only decoding.* and {keys} can be set for a trained model"
        raise ConfigError("--set", expected, got=fixed[0])
    return parts.get("decoding", {}), parts.get("data", {})
