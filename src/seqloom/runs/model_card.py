"""The model card: the run folder's README.md, in the form that model hubs read."""

from __future__ import annotations

from pathlib import Path

import seqloom
from seqloom.evaluation.report import Report
from seqloom.files import write_atomically
from seqloom.runs.config import RunConfig
from seqloom.runs.run_folder import CARD
from seqloom.runs.usage import usage
from seqloom.tasks.base import Preparation


def write_card(
    folder: Path, config: RunConfig, preparation: Preparation, data_name: str, report: Report
) -> None:
    """Write `README.md`: what the model is, what it was trained on, how good it is, and how to use it."""
    task = config.task
    settings = ", ".join(
        f"{key} {value}" for key, value in config.model.model_dump().items() if value not in (None, 0.0)
    )
    use = usage(Path(folder.name), task, preparation)
    text = f"""---
library_name: seqloom
tags: [seqloom, {task.name}]
---

# {folder.name}

A recurrent model for the task `{task.name}` ({task.shape}), trained with seqloom {seqloom.__version__} on
`{data_name}` ({preparation.describe()}).

Settings of the model: {settings}.

## How to use it

```bash
{use.command}
seqloom evaluate {folder.name} DATA
```

```python
import seqloom

model = seqloom.load({folder.name!r})
print({use.python})
```

## How good it is

Measured on the {report.split} split, with 95 % bootstrap intervals in brackets:

{metrics_table(report)}

{verdict(report)}

## Files

- `config.json`: every setting
- `model.safetensors`: the weights at the best validation
- `metrics.jsonl`: losses and metrics in the course of the training
- `resume/`: the last checkpoint, for `seqloom train --out {folder.name} --resume`
"""
    write_atomically(folder / CARD, text)


def metrics_table(report: Report) -> str:
    """The model's metrics beside the baseline's, as a Markdown table."""
    rows = [f"| metric | model | {report.baseline_name or 'baseline'} |", "|---|---|---|"]
    for name, value in report.metrics.items():
        low, high = report.interval[name]
        baseline = f"{report.baseline[name]:.4f}" if name in report.baseline else "–"
        rows.append(f"| {name} | {value:.4f} [{low:.4f}, {high:.4f}] | {baseline} |")
    return "\n".join(rows)


def verdict(report: Report) -> str:
    """Whether the model is better than the baseline, in a sentence."""
    if report.is_better is None:
        return "There is no baseline for this split."
    if report.is_better:
        return f"The model is better than the baseline, {report.baseline_name}."
    return (
        f"**The model is not better than the baseline, {report.baseline_name}.** Train it longer, or use the "
        "baseline."
    )
