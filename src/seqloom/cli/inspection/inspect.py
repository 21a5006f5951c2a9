"""`seqloom inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import Overwrite, Run, RunSettings, json_option

KEYS = "run, task, input, answer, steps, values, depends, units, expects, running, selection and other"


def command(
    run: Run,
    value: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help="A text; or the path of a text, a recording, a picture, a tune."
        ),
    ],
    is_text: Annotated[
        bool, typer.Option("--text", help="The input is a text, even one that looks like a path.")
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(help="What the decoder reads.  [default: what it writes itself]", show_default=False),
    ] = None,
    other: Annotated[
        str | None,
        typer.Option(metavar="INPUT", help="Another input, to see what changes.", show_default=False),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="A unit to look at, such as layers.0.cell.12.  [default: one that follows a property best]",
            show_default=False,
        ),
    ] = None,
    property: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Look for units that follow what this matches.  [default: properties are found]",
            show_default=False,
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            metavar="FROM:TO",
            help="Steps: which units are on there, and where else? For example 3:8.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="An HTML page to write.  [default: none]", show_default=False)
    ] = None,
    settings: RunSettings = None,
    overwrite: Overwrite = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Look at what a trained model does with one input, step by step.

    What each step depends on, which units follow what, what is expected, and how a second input differs.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_json, require_new_page, run_settings, spell_command
    from seqloom.files import write_atomically
    from seqloom.inference.predictor import load
    from seqloom.inspection.inspector import inspect
    from seqloom.inspection.inspector.inputs import read_one
    from seqloom.inspection.inspector.page import draw_inspection
    from seqloom.inspection.inspector.words import describe, to_json
    from seqloom.progress import shown

    _, reading = run_settings(settings)
    chosen = None if select is None else parse_steps(select)
    require_new_page("--out", out, overwrite)
    predictor = load(run)
    with shown():
        first, second = (
            None if name is None else read_one(predictor, name, reading, is_text, log)
            for name in (value, other)
        )
        inspection = inspect(
            predictor, first, target=target, other=second, unit=unit, property=property, select=chosen
        )
    if out is not None:
        asked = {"text": is_text, "target": target, "other": other, "unit": unit, "property": property}
        again = spell_command("inspect", [run, value], **asked, select=select, set=settings, out=out)
        write_atomically(out, draw_inspection(inspection, again))
        log(f"page: {out}")
    if as_json:
        print_json(to_json(inspection))
        return
    for line in describe(inspection):
        print(line, flush=True)


def parse_steps(words: str) -> tuple[int, int]:
    """`3:8` as numbers.

    Raises:
        ConfigError: it is something else.

    >>> parse_steps("3:8")
    (3, 8)
    """
    from seqloom.errors import ConfigError

    start, _, end = words.partition(":")
    if not (start.strip().isdecimal() and end.strip().isdecimal()):
        raise ConfigError("--select", "expected two steps, as in 3:8", got=words)
    return int(start), int(end)
