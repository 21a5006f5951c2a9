"""`seqloom diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import Overwrite, Run, RunSettings, Strict, json_option

KEYS = "run, task, data, sample, verdicts, layers (by name), horizon, history and circumstances"


def command(
    run: Run,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A file or folder of data.  [default: what the model was trained on]", show_default=False
        ),
    ] = None,
    layers: Annotated[str, typer.Option(help="Which ones, by name or pattern: layers.0, encoder.*.")] = "*",
    batches: Annotated[int, typer.Option(min=1, help="Batches of the sample.")] = 8,
    seed: Annotated[int, typer.Option(help="Draws rows, steps and units.")] = 0,
    settings: RunSettings = None,
    strict: Strict = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a page of one file there, with charts.  [default: none]", show_default=False
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Say why a model does not learn, what it remembers, and what to try first.

    Gradients by lag, Jacobians, gates, units, memory and the course of the training, and a verdict by name.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_json, require_new_page, run_settings, spell_command
    from seqloom.errors import ConfigError
    from seqloom.files import write_atomically
    from seqloom.inspection.diagnosis import diagnose
    from seqloom.inspection.diagnosis.text import describe
    from seqloom.progress import shown

    decoding, reading = run_settings(settings)
    if decoding:
        raise ConfigError("--set", "a diagnosis decodes nothing: only data.* can be set", got="decoding.*")
    require_new_page("--out", out, overwrite)
    with shown():
        diagnosis = diagnose(
            run, data, layers=layers, num_batches=batches, seed=seed, strict=strict, reading=reading, log=log
        )
    if out is not None:
        from seqloom.inspection.diagnosis.page import make_page

        given = {"layers": layers, "batches": batches, "seed": seed, "set": settings, "strict": strict}
        again = spell_command("diagnose", [diagnosis.run, diagnosis.data], **given, out=out)
        write_atomically(out, make_page(diagnosis, again))
        log(f"wrote {out}")
    if as_json:
        print_json(diagnosis.as_json())
    else:
        print(describe(diagnosis))
