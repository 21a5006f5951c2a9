"""`seqloom translate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    run: Annotated[Path, typer.Argument(help="A run folder of the task translate.")],
    num_beams: Annotated[
        int | None,
        typer.Option(help="Translations searched side by side; 1 is quickest. Left out: the run's."),
    ] = None,
    length_penalty: Annotated[
        float | None,
        typer.Option(help="Beam search: above 0 favors long translations. Left out: the run's."),
    ] = None,
    attention: Annotated[
        bool, typer.Option("--attention", help="With --json: the weights of attention too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Translate standard input line by line: an empty line stays one."""
    from seqloom.cli.output import print_json
    from seqloom.cli.pipe import chunks_of_lines
    from seqloom.errors import ConfigError, RunError
    from seqloom.inference.predictor import load
    from seqloom.tasks.base import Output

    if attention and not as_json:
        raise ConfigError("translate", "--attention must come with --json, which shows it", got="no --json")
    predictor = load(run)
    name = predictor.config.task.name
    if name != "translate":
        raise RunError(run, "expected a model of the task translate", got=name, hint="Use `seqloom predict`")
    given = {"num_beams": num_beams, "length_penalty": length_penalty, "attention": attention or None}
    decoding: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    found = []
    for lines in chunks_of_lines():
        answers = iter(predictor.predict([line for line in lines if line.strip()], **decoding))
        translated = [next(answers) if line.strip() else Output("") for line in lines]
        if as_json:
            found += [
                {"source": line, "translation": text, **details}
                for line, (text, details) in zip(lines, translated, strict=True)
            ]
        else:
            print("\n".join(output.text for output in translated), flush=True)
    if as_json:
        print_json({"run": str(run), "translations": found})
