"""`seqloom caption`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import Overwrite, Run, RunSettings, Strict, json_option

KEYS = "run and captions: for each picture its file, caption and, if it cannot be used, error; with "
KEYS += "--attention, attention, the file that was written"


def command(
    run: Run,
    files: Annotated[
        list[str], typer.Argument(help="Pictures, or tables with a column file.", show_default=False)
    ],
    num_beams: Annotated[
        int | None,
        typer.Option(
            help="Beam search with so many beams; 1: greedy.  [default: the run's]", show_default=False
        ),
    ] = None,
    attention: Annotated[
        Path | None,
        typer.Option(help="An .html file to write: what each word looked at.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
    settings: RunSettings = None,
    strict: Strict = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Write captions of pictures.

    Prints a line per picture, which is empty where the picture cannot be used.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_answers, print_json, require_new_page, run_settings
    from seqloom.errors import ConfigError
    from seqloom.inference.captioning import caption_pictures
    from seqloom.inference.predictor import load
    from seqloom.progress import shown

    require_new_page("--attention", attention, overwrite)
    decoding, reading = run_settings(settings)
    decoding |= {} if num_beams is None else {"num_beams": num_beams}
    if "attention" in decoding:
        raise ConfigError("decoding.attention", "must be the page --attention PAGE.html", got="a setting")
    predictor = load(run)
    inputs = (predictor.read_inputs(argument, reading, log=log) for argument in files)
    # A table has a row for each caption of a picture, and may have anything in place of a name.
    paths = [path for pictures in inputs for path in {repr(path): path for path in pictures}.values()]
    with shown():
        answers = caption_pictures(predictor, paths, attention, strict=strict, **decoding)
    if not as_json:
        print_answers(answers)
        return
    captions = [
        {"file": str(path), "caption": answer.text}
        | ({"error": answer.details["error"]} if "error" in answer.details else {})
        for path, answer in zip(paths, answers, strict=True)
    ]
    written = {} if attention is None else {"attention": str(attention)}
    print_json({"run": str(run), "captions": captions, **written})
