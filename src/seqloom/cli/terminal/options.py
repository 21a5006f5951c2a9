"""Arguments and options that several verbs have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Run = Annotated[Path, typer.Argument(help="The run folder of a trained model.")]
Data = Annotated[Path, typer.Argument(help="A file or folder of data, as for `seqloom train`.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Stop at the first unusable row or input instead of skipping it.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
RunSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override how the run decodes or reads data, as in decoding.num_beams=5 or "
        "data.columns.text=body. May be repeated.",
    ),
]


def json_option(keys: str) -> Any:
    """The option `--json` of a verb whose object has `keys`."""
    return typer.Option("--json", help=f"Print one JSON object on standard output, with the keys {keys}.")
