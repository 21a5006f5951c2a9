"""`seqloom compare`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import Data, json_option

KEYS = "data, task, split, metric, target, baseline, variants (a row each) and differences (of every two)"


def command(
    data: Data,
    cells: Annotated[str, typer.Option(help="Cell types, with commas between.")] = "rnn,lstm,gru",
    directions: Annotated[
        str, typer.Option(help="`one`, `both` or `one,both`: whether layers read backwards too.")
    ] = "one",
    equal: Annotated[
        str,
        typer.Option(
            help="`parameters` of the whole model, or `width`; the first has the width of the settings."
        ),
    ] = "parameters",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 3,
    task: Annotated[
        str | None,
        typer.Option(help="As for `train`.  [default: inferred from the data]", show_default=False),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A YAML file of settings.  [default: none]", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, as for `train`. May be repeated."),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            help="The folder of all runs, and of comparison.html; what is there is not trained again."
        ),
    ] = Path("runs/comparison"),
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Compare cells and directions on data, of equal size and over several seeds.

    Every run is an ordinary run folder under --out. The same command goes on after an interruption.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_json
    from seqloom.cli.terminal.report import print_table
    from seqloom.inspection.comparison import compare
    from seqloom.inspection.comparison.comparison import HEADER
    from seqloom.inspection.comparison.page import write_comparison

    comparison = compare(
        data,
        cells=_names(cells),
        directions=_names(directions),
        equal=equal,
        seeds=seeds,
        task=task,
        config=config,
        settings=settings or [],
        out=out,
        log=log,
        show_progress=True,
    )
    words = ["seqloom", "compare", str(data), "--cells", cells, "--directions", directions, "--equal", equal]
    words += ["--seeds", str(seeds), *(["--task", task] if task else [])]
    words += ["--config", str(config)] if config else []
    words += [part for setting in settings or [] for part in ("--set", setting)]
    log(f"wrote {write_comparison(out, comparison, shlex.join([*words, '--out', str(out)]))}")
    if as_json:
        print_json(comparison.as_json())
        return
    print_table(HEADER, comparison.table())
    print("\n".join(comparison.lines()))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
