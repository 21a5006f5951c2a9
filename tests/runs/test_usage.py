"""How each task's model is used, as the model card and the command line say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

import seqloom.cli
from seqloom.runs.usage import VERBS, usage
from seqloom.tasks import TASKS, task_named


class Reads(NamedTuple):
    """A preparation, of which only the column counts."""

    column: str
    example: str = "recording.wav"


@pytest.mark.parametrize(
    ("task", "column", "command"),
    [
        ("generate", "text", "seqloom generate run --prompt 'The '"),
        ("classify", "text", "seqloom predict run 'a text'"),
        ("classify", "file", "seqloom predict run recording.wav"),
        ("classify", "values", "seqloom predict run table.jsonl"),
        ("tag", "tokens", "seqloom predict run 'a text'"),
        ("translate", "source", "echo 'a text' | seqloom translate run"),
        ("transcribe", "file", "seqloom transcribe run recording.wav"),
        ("compose", "file", "seqloom compose run --out tune.mid"),
    ],
)
def test_each_task_has_its_verb(task: str, column: str, command: str) -> None:
    preparation: Any = Reads(column)
    assert usage(Path("run"), task_named(task), preparation).command == command


def test_a_file_is_called_as_its_kind_is() -> None:
    preparation: Any = Reads("file", "picture.jpg")
    assert (
        usage(Path("run"), task_named("classify"), preparation).command == "seqloom predict run picture.jpg"
    )


def test_every_verb_is_a_task_and_on_the_command_line() -> None:
    assert set(TASKS) & set(seqloom.cli.VERBS) == set(VERBS)
