"""`seqloom toy-data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    task: Annotated[str, typer.Argument(help="What it is for: generate, classify, tag, translate …")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    seed: Annotated[int, typer.Option(help="The same seed makes the same data.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Write a small made-up data set, to see a task's format and to train on it in a minute."""
    from seqloom.cli.output import log, print_json
    from seqloom.tasks.toy_data import toy_data

    what = toy_data(task, folder, seed=seed)
    if as_json:
        files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
        print_json({"task": task, "folder": str(folder), "made_up": True, "what": what, "files": files})
        return
    log(f"{folder}: made-up data for {task}: {what}")
    log(f"next: seqloom train {folder} --task {task}")
