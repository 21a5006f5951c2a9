"""`seqloom train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import Strict, json_option

KEYS = "run, and those of `evaluate --json`"


def command(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A text (.txt) or table (.csv, .tsv, .json, .jsonl, .parquet, .conll, .conllu), perhaps "
            "compressed (.gz, .bz2, .xz), or piano rolls (.mat, .npz, .json); or a folder of such files, of "
            "parallel texts, of recordings, of pictures or of MIDI files. May be left out with --resume.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="generate, classify, tag, translate, transcribe, caption, compose or forecast.  "
            "[default: inferred from the data]",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A YAML file of settings.  [default: none]", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting, such as training.batch_size=32; overrides --config. May be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder.  [default: runs/ and the data's name]", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint of the run folder --out.")
    ] = False,
    strict: Strict = False,
    seed: Annotated[
        int | None, typer.Option(help="Short for --set training.seed=N.  [default: 0]", show_default=False)
    ] = None,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Train a model on a file or folder of data.

    The run folder keeps the weights of the best validation, every setting, and a report beside a baseline.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from accelerate import PartialState

    from seqloom.cli.terminal.output import log, print_json
    from seqloom.cli.terminal.report import print_report
    from seqloom.inspection.report.writing import write_report
    from seqloom.runs.run_folder import REPORT
    from seqloom.runs.usage import usage_of
    from seqloom.training.train import train

    seed_setting = [] if seed is None else [f"training.seed={seed}"]
    folder, report = train(
        data,
        task=task,
        config=config,
        settings=[*(settings or []), *seed_setting],
        out=out,
        resume=resume,
        strict=strict,
        log=log,
        show_progress=True,
        at_end=write_report,
    )
    if not PartialState().is_main_process:
        return
    try:
        if as_json:
            print_json({"run": str(folder), **report.to_dict()})
            return
        print_report(report)
    except OSError as error:
        error.add_note(f"Nothing is lost: the run is in {folder}, and its report in {folder / 'README.md'}")
        raise
    if (folder / REPORT).exists():
        log(f"page: {folder / REPORT}")
    log(f"next: {usage_of(folder).command}")
