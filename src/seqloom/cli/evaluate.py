"""`seqloom evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    data: Annotated[Path, typer.Argument(help="As for train.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="train, validation, test or all. Left out: test where there is one; else validation, of the "
            "data that the model learnt from; else all."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, as decoding.num_beams=5."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at a bad row, instead of skipping and counting it.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Draws the bootstrap interval.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Measure a trained model on DATA, beside a baseline, with a bootstrap interval."""
    from seqloom.cli.output import decoding_of, print_json, print_report
    from seqloom.inference.predictor import load

    report = load(run).evaluate(data, split, seed=seed, strict=strict, **decoding_of(settings))
    if as_json:
        print_json(report.to_dict())
    else:
        print_report(report)
