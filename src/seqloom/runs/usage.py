"""How to use a trained model: the command and the line of Python that fit its task."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from seqloom.runs.run_folder import read_config, restore_preparation
from seqloom.tasks.base import AudioStreaming, Composition, Preparation, Task, TextGeneration
from seqloom.tasks.captioning import Captioning
from seqloom.tasks.forecasting import Forecasting

VERBS = ("generate", "translate", "transcribe", "caption", "compose", "forecast")
"""Tasks with a verb of their own on the command line, of the same name; `predict` serves all others."""
EXAMPLE_TOKENS = 40
"""That a language model writes in its model card."""


@runtime_checkable
class ReadsFiles(Protocol):
    """What a preparation has whose inputs are files."""

    example: str
    """What one may be called: `recording.wav`"""


class Usage(NamedTuple):
    """What to type to get an answer from a model."""

    command: str
    python: str
    """An expression of `model`, a `Predictor`."""


def usage_of(folder: Path) -> Usage:
    """How to use the model of a run folder.

    Raises:
        RunError: it is no run folder.
    """
    config, _ = read_config(folder)
    return usage(folder, config.task, restore_preparation(folder, config))


def usage(folder: Path, task: Task, preparation: Preparation, value: Any = None) -> Usage:
    """The command and the line of Python for a run folder.

    Args:
        folder: the run folder.
        task: its task.
        preparation: its preparation.
        value: an input to show: a text, the name of a recording, or a list of numbers; None: a placeholder.
    """
    verb = f"seqloom {task.name if task.name in VERBS else 'predict'} {shlex.quote(str(folder))}"
    if isinstance(task, TextGeneration):
        tokens, prompt = (200, "The ") if value is None else (EXAMPLE_TOKENS, value)
        options = "" if value is None else f" --max-new-tokens {tokens}"
        return Usage(
            f"{verb} --prompt {shlex.quote(prompt)}{options}",
            f"model.generate({prompt!r}, max_new_tokens={tokens})",
        )
    if isinstance(task, Composition):
        primer = f" --primer {shlex.quote(str(value))}" if value else ""
        python = f"model.predict([{str(value)!r}])[0].text" if value else "model.compose()"
        return Usage(f"{verb}{primer} --out tune.mid", python)
    if isinstance(task, Forecasting):
        python = "model.forecast().columns" if value is None else f"model.predict([{value}])[0].text"
        return Usage(f"{verb} --plot forecast.html", python)
    if isinstance(task, AudioStreaming) or preparation.column == "file":
        example = preparation.example if isinstance(preparation, ReadsFiles) else "recording.wav"
        name = str(value or ("photo.jpg" if isinstance(task, Captioning) else example))
        call = f"caption({name!r})" if isinstance(task, Captioning) else f"predict([{name!r}])[0].text"
        return Usage(f"{verb} {shlex.quote(name)}", f"model.{call}")
    if preparation.column == "values":
        numbers = [0.1, 0.2, 0.3] if value is None else value
        table = f"""echo '{{"values": {json.dumps(numbers)}}}' > one.jsonl && """ if value else ""
        name = "one.jsonl" if value else "table.jsonl"
        return Usage(f"{table}{verb} {name}", f"model.predict([{numbers}])[0].text")
    text = value or "a text"
    quoted = shlex.quote(text) if value else "'a text'"
    pipe = f"echo {quoted} | {verb}" if task.name in VERBS else f"{verb} {quoted}"
    return Usage(pipe, f"model.predict([{text!r}])[0].text")
