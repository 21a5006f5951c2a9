"""The model card: the run folder's README.md, with the front matter that model hubs read."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any

import seqloom
from seqloom.errors import one_line
from seqloom.evaluation.report import AHEAD, BETTER, NOT_BETTER, Report, describe_baseline, verdict
from seqloom.files import write_atomically
from seqloom.runs.config import RunConfig
from seqloom.runs.example import Answered
from seqloom.runs.run_folder import CARD, REPORT
from seqloom.runs.usage import usage
from seqloom.runs.yaml_values import write_yaml
from seqloom.stored import read_bytes
from seqloom.tasks.base import Preparation


def write_card(
    folder: Path,
    config: RunConfig,
    preparation: Preparation,
    report: Report,
    best_metric: str = "",
    example: Answered | None = None,
) -> None:
    """Write `README.md`: what the model is, what it was trained on, how good it is, and how to use it.

    Args:
        folder: the run folder.
        config: its configuration.
        preparation: its preparation.
        report: of the best weights.
        best_metric: by which they were picked.
        example: an input that a user may try, with the model's answer.
    """
    task, name = config.task, one_line(folder.resolve().name)
    settings = ", ".join(
        f"{key} {value}" for key, value in config.model.model_dump().items() if value not in (None, 0.0)
    )
    shape = task.shape_of(preparation)
    kind = "model" if shape == "one-to-one" else "recurrent model"
    value = None if example is None else example.value
    use = usage(Path(name), task, preparation, value)
    data_name = one_line(Path(report.data).resolve().name)
    picked = f", by its {best_metric}" if best_metric else ""
    better = verdict(report)
    page = f"- `{REPORT}`: the course, the scores and the mistakes as a page\n" * (folder / REPORT).exists()
    front_matter = write_yaml(metadata(name, config, preparation, report))
    text = f"""---
{front_matter}---

# {name}

A {kind} for the task `{task.name}` ({shape}), trained with seqloom {seqloom.__version__} on
`{data_name}` ({one_line(preparation.describe())}).

Settings of the model: {settings}.

{describe_license(config)}

## How to use it

```bash
{use.command}
seqloom evaluate {shlex.quote(name)} DATA
```

```python
import seqloom

model = seqloom.load({name!r})
print({use.python})
```
{describe_answer(example, report.split)}
## How good it is

Measured on the {report.split} split, with 95 % bootstrap intervals in brackets:

{metrics_table(report)}

{better if report.is_better is not False else f"**{better}**"}
{describe_baseline(report) if report.baseline_name else ""}

## Files

- `config.json`: every setting
- `model.safetensors`: the weights at the best validation{picked}
- `metrics.jsonl`: losses and metrics in the course of the training
{page}- `resume/`: the last checkpoint, for `seqloom train --out {shlex.quote(name)} --resume`
"""
    write_atomically(folder / CARD, text)


def read_verdict(folder: Path) -> bool | None:
    """Whether the report of a run says that the model is better than the baseline; None: it says nothing."""
    try:
        text = read_bytes(folder / CARD).decode(errors="replace")
    except OSError:
        return None
    if NOT_BETTER in text or AHEAD in text:
        return False
    return True if BETTER in text else None


def metadata(name: str, config: RunConfig, preparation: Preparation, report: Report) -> dict[str, Any]:
    """The front matter, which the Hugging Face Hub reads; its model index has the results."""
    task = config.task
    pipeline_tag = task.pipeline_tag(preparation)
    data_name = one_line(Path(report.data).resolve().name)
    numbers = {metric: value for metric, value in report.metrics.items() if math.isfinite(value)}
    results = {
        "task": {"type": pipeline_tag or task.name, "name": task.name},
        "dataset": {"type": data_name, "name": data_name, "split": report.split},
        "metrics": [{"type": metric, "value": value, "name": metric} for metric, value in numbers.items()],
    }
    content = {
        "library_name": "seqloom",
        "pipeline_tag": pipeline_tag,
        "license": config.training.license,
        "tags": ["seqloom", task.name],
        "datasets": [data_name],
        "metrics": list(numbers),
        "model-index": [{"name": name, "results": [results]}],
    }
    return {key: value for key, value in content.items() if value is not None}


def describe_license(config: RunConfig) -> str:
    """The license, or that none was stated and how to state one."""
    if config.training.license:
        return f"License: {one_line(config.training.license)}."
    return (
        "No license is stated. Whoever publishes the model adds one to the first lines of this file, or "
        "trains with `--set training.license=apache-2.0`."
    )


def describe_answer(example: Answered | None, split: str) -> str:
    """What the model answers to the example above."""
    if example is None:
        return ""
    answer = one_line(example.answer).replace("`", "'")
    return f"\nThe input is from the {split} split. The model's answer:\n\n```text\n{answer}\n```\n"


def metrics_table(report: Report) -> str:
    """The model's metrics beside the baseline's, as a Markdown table."""
    baseline_name = one_line(report.baseline_name or "baseline").replace("|", "\\|")
    rows = [f"| metric | model | {baseline_name} |", "|---|---|---|"]
    for name, value in report.metrics.items():
        low, high = report.interval[name]
        baseline = f"{report.baseline[name]:.4f}" if name in report.baseline else "–"
        rows.append(f"| {name} | {value:.4f} [{low:.4f}, {high:.4f}] | {baseline} |")
    return "\n".join(rows)
