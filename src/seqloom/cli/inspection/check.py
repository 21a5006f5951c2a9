"""`seqloom check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import Data, Overwrite, Run, Strict, json_option

KEYS = "run, task, data, split, passed, and checks, each with its name, claim, result, evidence and numbers"
FAILED = 1


def command(
    run: Run,
    data: Data,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, validation or test.  [default: test where there is one, otherwise validation]",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="Make this check alone. May be repeated."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override how data is read, as in data.columns.text=body. May be repeated.",
        ),
    ] = None,
    strict: Strict = False,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap interval.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="An .html file to write: the checks as a page.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Check a trained model on its data: whether its score can be trusted.

    Exit code 1 if a check fails.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.checks import print_checks
    from seqloom.cli.terminal.output import log, print_json, require_new_page, run_settings, spell_command
    from seqloom.errors import ConfigError
    from seqloom.files import write_atomically
    from seqloom.inspection.checks.checking import check
    from seqloom.progress import shown

    require_new_page("--out", out, overwrite)
    decoding, reading = run_settings(settings)
    if decoding:
        raise ConfigError("--set", "only data.* can be set for a check", got="decoding.*")
    with shown():
        report = check(run, data, split, only=only or (), seed=seed, strict=strict, reading=reading, log=log)
    if out is not None:
        from seqloom.inspection.checks.page import draw_checks

        given = {"split": report.split, "only": only, "set": settings, "strict": strict, "seed": seed}
        write_atomically(out, draw_checks(report, spell_command("check", [run, data], **given, out=out)))
        log(f"page: {out}")
    if as_json:
        print_json(report.to_dict())
    else:
        print_checks(report)
    if not report.passed:
        raise typer.Exit(FAILED)
