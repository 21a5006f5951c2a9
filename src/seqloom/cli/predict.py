"""`seqloom predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="TextInput, recordings, tables or text files; left out: lines of standard input.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, as decoding.num_beams=5."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at a bad input, instead of leaving its line empty.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Answer INPUT with a trained model, a line each."""
    from seqloom.cli.output import decoding_of, print_answers, print_json
    from seqloom.cli.pipe import chunks_of_lines
    from seqloom.inference.inputs import inputs_of
    from seqloom.inference.predictor import load

    predictor, decoding = load(run), decoding_of(settings)
    if inputs:
        column = predictor.preparation.column
        chunks = [[value for argument in inputs for value in inputs_of(argument, column)]]
    else:
        chunks = chunks_of_lines()
    found = []
    for chunk in chunks:
        answers = predictor.predict(chunk, strict=strict, **decoding)
        if as_json:
            found += [
                {"input": str(value), "output": text, **details}
                for value, (text, details) in zip(chunk, answers, strict=True)
            ]
        else:
            print_answers(answers)
    if as_json:
        print_json({"run": str(run), "task": predictor.config.task.name, "outputs": found})
