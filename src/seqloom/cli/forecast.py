"""`seqloom forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import Overwrite, Run, RunSettings, Strict, json_option

KEYS = "run, data, remarks and forecasts: for each series and step its unique_id, ds, mean and bands; of a "
KEYS += "backtest also cutoff and y"


def command(
    run: Run,
    data: Annotated[
        Path | None,
        typer.Argument(
            help="A table or a folder of series.  [default: what the model was trained on]",
            show_default=False,
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(help="Steps to forecast.  [default: as trained]", show_default=False),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            help="Percent that bands should hold, as in 80,90; none: no bands.  [default: the run's]",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Make the forecasts of a backtest of train, validation or test instead, from cutoffs that "
            "roll through it, with columns cutoff and y.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Write a page with pictures of the first series.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the rows into this file, not to standard output.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
    settings: RunSettings = None,
    strict: Strict = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Go on with series: the next steps of each, with bands.

    Prints a table of columns unique_id, ds, mean, lo-80, hi-80 and so on, as CSV.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_json, require_new_page, run_settings
    from seqloom.files import require_new_file, write_atomically
    from seqloom.inference.forecast_table import rows_of, to_csv
    from seqloom.inference.predictor import load
    from seqloom.progress import shown

    decoding, reading = run_settings(settings)
    levels = decoding.pop("level", None)
    if level is not None:
        levels = parse_levels(level)
    require_new_page("--plot", plot, overwrite)
    if out is not None:
        require_new_file(out, overwrite)
    with shown():
        forecast = load(run).forecast(
            data,
            horizon,
            levels,
            split=split,
            num_pictured=MAX_PICTURES if plot else 0,
            strict=strict,
            reading=reading,
            log=log,
            **decoding,
        )
    for remark in forecast.remarks:
        log(remark)
    if plot is not None:
        from seqloom.inference.forecast_picture import draw_page

        write_atomically(plot, draw_page(forecast))
        log(f"{plot}: {len(forecast.pictured):,} of {len(set(forecast.unique_id)):,} series")
    if out is not None:
        write_atomically(out, to_csv(forecast))
        log(f"{out}: {len(forecast.ds):,} rows")
    if as_json:
        origin = None if data is None else str(data)
        values = {"run": str(run), "data": origin, "remarks": list(forecast.remarks)}
        print_json({**values, "forecasts": rows_of(forecast)})
    elif out is None:
        print(to_csv(forecast), end="", flush=True)


MAX_PICTURES = 12
"""Series on a page; more would be slow to draw and tiresome to look at."""


def parse_levels(text: str) -> list[float]:
    """`80,90` as numbers.

    Raises:
        ConfigError: it is something else.

    >>> parse_levels("80,97.5"), parse_levels("none")
    ([80.0, 97.5], [])
    """
    from seqloom.errors import ConfigError

    if text.strip().lower() == "none":
        return []
    try:
        levels = [float(part) for part in text.replace("%", "").split(",") if part.strip()]
    except ValueError:
        levels = []
    if not levels or not all(0 < value < 100 for value in levels):
        raise ConfigError("--level", "expected numbers between 0 and 100, as in 80,90", got=text)
    return levels
