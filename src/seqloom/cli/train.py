"""`seqloom train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A .txt, .csv, .tsv, .jsonl, .parquet or .conll file, or a folder of such or of recordings.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="What to train for; inferred from the data if left out.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file of settings.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, as training.batch_size=32."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME if left out.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run folder --out.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at a bad row, instead of skipping and counting it.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Short for --set training.seed=N.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Train a model on DATA and keep the best of it in a run folder."""
    from accelerate import PartialState

    from seqloom.cli.output import NEXT, log, print_json, print_report
    from seqloom.training.train import train

    chosen = [*(settings or []), *([f"training.seed={seed}"] if seed is not None else [])]
    folder, report = train(
        data,
        task=task,
        config=config,
        settings=chosen,
        out=out,
        resume=resume,
        strict=strict,
        log=log,
        show_progress=True,
    )
    if not PartialState().is_main_process:
        return
    if as_json:
        print_json({"run": str(folder), **report.to_dict()})
    else:
        print_report(report)
        log(f"next: seqloom {NEXT.get(report.task, 'predict')} {folder}")
