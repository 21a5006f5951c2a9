"""The model card: the run folder's README.md, in the form that model hubs read."""

from __future__ import annotations

from pathlib import Path

import seqloom
from seqloom.evaluation.report import Report
from seqloom.files import write_atomically
from seqloom.runs.config import RunConfig
from seqloom.runs.run_folder import CARD
from seqloom.tasks.base import Preparation


def write_card(
    folder: Path, config: RunConfig, preparation: Preparation, data_name: str, report: Report
) -> None:
    """Write `README.md`: what the model is, what it was trained on, how good it is, and how to use it."""
    task, model = config.task, config.model
    described = ", ".join(
        f"{key} {value}" for key, value in model.model_dump().items() if value not in (None, 0.0)
    )
    text = f"""---
library_name: seqloom
tags: [seqloom, {task.name}]
---

# {folder.name}

A seqloom model for the task `{task.name}` ({task.shape}), trained on `{data_name}`: {described}.

## How good it is

On the {report.split} split ({preparation.describe()} in the vocabulary), with 95 % bootstrap intervals:

{table(report)}

{verdict(report)}

## How to use it

```python
import seqloom

model = seqloom.load({folder.name!r})
```

Written by seqloom {seqloom.__version__}. `config.json` holds every setting, `metrics.jsonl` the course.
"""
    write_atomically(folder / CARD, text)


def table(report: Report) -> str:
    """Metrics beside the baseline's, as Markdown."""
    rows = [f"| | model | {report.baseline_name or 'baseline'} |", "|---|---|---|"]
    for name, value in report.metrics.items():
        low, high = report.interval[name]
        other = f"{report.baseline[name]:.4f}" if name in report.baseline else "–"
        rows.append(f"| {name} | {value:.4f} [{low:.4f}, {high:.4f}] | {other} |")
    return "\n".join(rows)


def verdict(report: Report) -> str:
    """Whether the model is worth its trouble, in a sentence."""
    if report.is_better is None:
        return "There is no baseline for this split."
    if report.is_better:
        return f"The model is better than the baseline, {report.baseline_name}."
    return (
        f"**The model is not better than the baseline, {report.baseline_name}.** Train longer, or use that."
    )
