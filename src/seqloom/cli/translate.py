"""`seqloom translate`."""

from __future__ import annotations

from typing import Annotated

import typer

from seqloom.cli.terminal.options import Run, RunSettings, json_option

KEYS = "run and translations: for each line its source, translation and tokens"


def command(
    run: Run,
    num_beams: Annotated[
        int | None,
        typer.Option(
            help="Beam search with so many beams; 1: greedy.  [default: the run's]", show_default=False
        ),
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(
            help="Of beam search: above 0 favors long translations.  [default: the run's]", show_default=False
        ),
    ] = None,
    settings: RunSettings = None,
    attention: Annotated[
        bool, typer.Option("--attention", help="With --json: add the attention weights.")
    ] = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Translate standard input, line by line.

    An empty line stays empty.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import print_json, run_settings
    from seqloom.cli.terminal.pipe import chunks_of_lines
    from seqloom.errors import ConfigError, RunError
    from seqloom.inference.predictor import load
    from seqloom.progress import shown
    from seqloom.tasks.base import Output

    if attention and not as_json:
        raise ConfigError("translate", "--attention must come with --json, which shows it", got="no --json")
    predictor = load(run)
    name = predictor.config.task.name
    if name != "translate":
        raise RunError(run, "expected a model of the task translate", got=name, hint="Use `seqloom predict`")
    options = {"num_beams": num_beams, "length_penalty": length_penalty, "attention": attention or None}
    decoding, reading = run_settings(settings)
    if reading:
        raise ConfigError("--set", "data.* needs a file to read", got="standard input")
    decoding |= {key: value for key, value in options.items() if value is not None}
    translations = []
    for lines in chunks_of_lines():
        with shown():
            answers = iter(predictor.predict([line for line in lines if line.strip()], **decoding))
        translated = [next(answers) if line.strip() else Output("") for line in lines]
        if as_json:
            translations += [
                {"source": line, "translation": text, **details}
                for line, (text, details) in zip(lines, translated, strict=True)
            ]
        else:
            print("\n".join(output.text for output in translated), flush=True)
    if as_json:
        print_json({"run": str(run), "translations": translations})
