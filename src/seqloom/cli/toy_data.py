"""`seqloom toy-data`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import json_option


def command(
    task: Annotated[
        str,
        typer.Argument(help="generate, classify, tag, translate, transcribe, caption, compose or forecast."),
    ],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    kind: Annotated[
        str | None,
        typer.Option(
            "--input", help="What is read, such as image or video for classify.", show_default="the usual"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the data.")] = 0,
    as_json: Annotated[
        bool, json_option("task, folder, made_up (true), what (a sentence) and files")
    ] = False,
) -> None:
    """Write a small made-up data set for a task.

    It shows the format that the task takes, and trains in a minute.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_json
    from seqloom.tasks.toy_data import toy_data

    what = toy_data(task, folder, seed=seed, kind=kind)
    if as_json:
        files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
        print_json({"task": task, "folder": str(folder), "made_up": True, "what": what, "files": files})
        return
    log(f"{folder}: made-up data for {task}: {what}")
    log(f"next: seqloom train {shlex.quote(str(folder))} --task {task}")
