"""What was trained: the data, the model and its size, the settings that differ from their defaults."""

from __future__ import annotations

import json
import shlex
from typing import Any

from seqloom.inspection.report.scores import shorten
from seqloom.pages import Html, columns, number, table
from seqloom.progress import format_seconds
from seqloom.runs.config import PARTS
from seqloom.training.monitoring.finished import Finished

ALWAYS = ("model.cell_type", "model.hidden_size", "model.num_layers")


def draw_setup(finished: Finished) -> Html:
    """Two tables."""
    report, config, state = finished.report, finished.job.config, finished.state
    parameters = sum(parameter.numel() for parameter in finished.model.parameters())
    facts = [
        ("data", report.data),
        ("splits", finished.job.data.describe()),
        ("vocabulary or inputs", finished.job.preparation.describe()),
        ("rows skipped", f"{len(report.skipped):,}"),
        ("shape", config.task.shape_of(finished.job.preparation)),
        ("parameters", number(parameters)),
        ("time in training", format_seconds(state.seconds)),
        ("epochs", number(state.epoch)),
    ]
    chosen = [
        (f"{part}.{key}", shorten(_value(value), 120))
        for part in PARTS
        for key, value in config.to_dict()[part].items()
        if f"{part}.{key}" in ALWAYS or _differs(config, part, key, value)
    ]
    note = "The model's size, and what differs from the defaults. config.json has all."
    return columns(
        table(["", ""], [(name, shorten(value, 160)) for name, value in facts], title="Facts"),
        table(["setting", "value"], chosen, title="Settings", note=note),
    )


def make_command(finished: Finished) -> str:
    """What trains the same once more: the data, the task, and the settings that are not the defaults."""
    config = finished.job.config
    settings = [
        f"--set {shlex.quote(f'{part}.{key}={json.dumps(value) if not isinstance(value, str) else value}')}"
        for part in PARTS
        for key, value in config.to_dict()[part].items()
        if _differs(config, part, key, value)
    ]
    return " ".join(
        ["seqloom train", shlex.quote(finished.report.data), f"--task {config.task.name}", *settings]
    )


def _differs(config: Any, part: str, key: str, value: Any) -> bool:
    own = getattr(config, part, None)
    field = type(own).model_fields.get(key) if own is not None else None
    return field is not None and field.get_default(call_default_factory=True) != value


def _value(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)
