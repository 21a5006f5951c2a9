"""`seqloom predict`."""

from __future__ import annotations

from typing import Annotated

import typer

from seqloom.cli.terminal.options import Run, RunSettings, Strict, json_option

KEYS = "run, task and outputs: for each input its input, output, and the task's details"


def command(
    run: Run,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Texts; or paths of recordings, pictures, clips, tables or text files.  "
            "[default: lines of standard input]",
            show_default=False,
        ),
    ] = None,
    is_text: Annotated[
        bool, typer.Option("--text", help="Every input is a text, even one that looks like a path.")
    ] = False,
    settings: RunSettings = None,
    strict: Strict = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Answer texts, recordings, pictures, clips or tables with a trained model.

    Prints a line per input, which is empty where the input cannot be used.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_answers, print_json, run_settings
    from seqloom.cli.terminal.pipe import chunks_of_lines
    from seqloom.errors import ConfigError
    from seqloom.inference.predictor import load
    from seqloom.progress import shown

    decoding, reading = run_settings(settings)
    predictor = load(run)
    if inputs:
        with shown():
            values = [predictor.read_inputs(name, reading, is_text=is_text, log=log) for name in inputs]
        chunks = [[value for part in values for value in part]]
    elif reading:
        raise ConfigError("--set", "data.* needs a file to read", got="standard input")
    else:
        chunks = chunks_of_lines()
    outputs = []
    for chunk in chunks:
        with shown():
            answers = predictor.predict(chunk, strict=strict, **decoding)
        if as_json:
            outputs += [
                {"input": str(value), "output": text, **details}
                for value, (text, details) in zip(chunk, answers, strict=True)
            ]
        else:
            print_answers(answers)
    if as_json:
        print_json({"run": str(run), "task": predictor.config.task.name, "outputs": outputs})
