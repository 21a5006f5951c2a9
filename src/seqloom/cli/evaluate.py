"""`seqloom evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from seqloom.cli.terminal.options import Data, Run, RunSettings, Strict, json_option

KEYS = "task, data, split, metrics, baseline, interval, better_than_baseline, skipped, remarks and details"


def command(
    run: Run,
    data: Data,
    split: Annotated[
        str | None,
        typer.Option(
            help="train, validation, test or all.  [default: test where there is one; otherwise validation "
            "for the data that the model was trained on, and all for other data]",
            show_default=False,
        ),
    ] = None,
    settings: RunSettings = None,
    strict: Strict = False,
    refit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of forecasts: train anew before every so many windows, on all steps before them.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap interval.")] = 0,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Measure a trained model on data, beside a baseline.

    Every metric has a 95 % bootstrap interval.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_json, run_settings
    from seqloom.cli.terminal.report import print_report
    from seqloom.data.tables.skipped import count_skipped
    from seqloom.inference.predictor import load
    from seqloom.progress import shown

    decoding, reading = run_settings(settings)
    with shown():
        evaluate = load(run).evaluate
        report = evaluate(
            data, split, seed=seed, strict=strict, reading=reading, refit=refit, log=log, **decoding
        )
    if report.skipped:
        log(f"{report.split}: {count_skipped(report.skipped)}, the first: {report.skipped[0]}")
    if as_json:
        print_json(report.to_dict())
    else:
        print_report(report)
