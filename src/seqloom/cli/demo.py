"""`seqloom demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import json_option


def command(
    out: Annotated[
        Path | None, typer.Option(help="The run folder.  [default: runs/demo]", show_default=False)
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long to train, in minutes.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of training and generation.")] = 0,
    as_json: Annotated[bool, json_option("of `train --json` and text")] = False,
) -> None:
    """Train on Python's own help texts for a minute, and generate text.

    Measures first how fast this machine is, and chooses the size of the model by that.
    Shows the model's loss beside a baseline's, and the text that the model writes.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_json
    from seqloom.cli.terminal.report import print_report
    from seqloom.data.text.python_help import python_help_file
    from seqloom.inference.predictor import load
    from seqloom.inspection.report.writing import write_report
    from seqloom.runs import run_folder
    from seqloom.training.sizing import choose_size, measure_speed
    from seqloom.training.train import train

    data = python_help_file()
    log("Training a language model on Python's own help texts.")
    seconds_to_measure = min(1.0, 3 * minutes)
    seconds = 60 * minutes - seconds_to_measure
    characters = data.stat().st_size * 9 // 10  # a tenth is held out
    sizing = choose_size(characters, seconds, measure_speed(seconds_to_measure))
    log(f"size: {sizing}")
    settings = [f"training.max_minutes={seconds / 60}", f"training.seed={seed}", *sizing.settings()]
    folder = out or run_folder.free_name(Path("demo"))
    folder, report = train(
        data, settings=settings, out=folder, log=log, show_progress=True, at_end=write_report
    )
    text = load(folder).generate("The ", max_new_tokens=400, temperature=0.7, seed=seed)
    if as_json:
        print_json({"run": str(folder), **report.to_dict(), "text": f"The {text}"})
        return
    print_report(report)
    print(f"\nIt writes:\n\nThe {text}\n")
    for line in (
        "Now yours:",
        f"  seqloom generate {folder} --prompt 'An instance ' --temperature 0.6",
        "  seqloom train your.txt --set training.max_minutes=5",
        "  seqloom train your.txt --set data.unit=word --set model.cell_type=gru",
    ):
        log(line)
