"""`seqloom claims`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqloom.cli.terminal.options import Overwrite, json_option

KEYS = "machine, counts, seconds and claims: for each number, sentence, verdict, ran, checks, note, seconds"
BROKEN = 1


def command(
    numbers: Annotated[
        list[str] | None, typer.Argument(help="Some of 1 to 34.  [default: all]", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a page (.html), and beside it a picture of 1200 x 630 (.png).  [default: none]",
            show_default=False,
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Run nothing: compare two pages, or files of --json.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Measure the 34 statements of a textbook chapter on this machine.

    Thresholds are in the code, and nothing is said to hold that was not run. All of them take some minutes.
    Exit code 1 if a measurement ends in an error.
    """
    if compare:
        _compare(numbers or [], as_json)
        return
    chosen = [_number(text) for text in numbers or []]
    from seqloom.cli.terminal.output import log, print_json, require_new_page

    require_new_page("--out", out, overwrite)
    if out is not None:
        from seqloom.files import require_new_file

        require_new_file(out.with_suffix(".png"), overwrite)
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.inspection.claims import run_claims
    from seqloom.inspection.claims.report import claims_json, outcome_lines, summary
    from seqloom.progress import shown

    with shown():
        outcomes = run_claims(
            chosen,
            log=log,
            told=str if as_json else lambda outcome: print("\n".join(outcome_lines(outcome)), flush=True),
        )
    if out is not None:
        from seqloom.inspection.claims.writing import write_page

        words = " ".join(["seqloom claims", *map(str, chosen), f"--out {out.name}"])
        for line in write_page(out, outcomes, words):
            log(line)
    if as_json:
        print_json(claims_json(outcomes))
    else:
        print(summary(outcomes))
    if any(outcome.finding.is_broken for outcome in outcomes):
        raise typer.Exit(BROKEN)


def _number(text: str) -> int:
    from seqloom.errors import ConfigError

    if not text.isdecimal():
        raise ConfigError("claims", "a number must be 1 to 34", got=text)
    return int(text)


def _compare(paths: list[str], as_json: bool) -> None:
    from seqloom.cli.terminal.output import print_json
    from seqloom.errors import ConfigError

    if len(paths) != 2:
        raise ConfigError("claims --compare", "expected two pages", got=f"{len(paths)}")
    from seqloom.inspection.claims.page import read_claims
    from seqloom.inspection.claims.two_machines import compare_machines, comparison_lines

    a, b = (read_claims(Path(path)) for path in paths)
    if as_json:
        rows = [{**row._asdict(), "differs": row.differs} for row in compare_machines(a, b)]
        print_json({"machines": [a["machine"], b["machine"]], "claims": rows})
    else:
        print("\n".join(comparison_lines(a, b)))
