"""`seqloom compose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seqloom.cli.terminal.options import Overwrite, Run, json_option

AS_IN_RUN = "  [default: as in the run]"
KEYS = "run, files, bars, time_signatures, notes, seconds and seed"


def command(
    run: Run,
    primer: Annotated[
        Path | None, typer.Option(help="A MIDI file to go on from, which the tune begins with.")
    ] = None,
    bars: Annotated[int | None, typer.Option(help="Bars that are added." + AS_IN_RUN)] = None,
    time_signature: Annotated[
        str | None, typer.Option(help="Of every bar that is added, as 6/8." + AS_IN_RUN)
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Divides the logits: lower is safer, higher bolder; 0 takes the likeliest." + AS_IN_RUN
        ),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help="Sample from the k likeliest; 0: from all." + AS_IN_RUN)
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Sample from the likeliest that together have this probability." + AS_IN_RUN),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed writes the same file." + AS_IN_RUN)] = None,
    out: Annotated[Path, typer.Option(help="The MIDI file to write.")] = Path("tune.mid"),
    wav: Annotated[bool, typer.Option("--wav", help="Write it as sound too, beside the MIDI file.")] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw its piano roll too, as .svg beside the MIDI file.")
    ] = False,
    soundfont: Annotated[
        Path | None,
        typer.Option(help="An .sf2 file whose first instrument plays in the .wav file."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Write a tune, from nothing or on from a primer.

    Prints the names of the files that it writes.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_json
    from seqloom.data.music.files import check_target, save_tune
    from seqloom.data.music.midi import SUFFIXES, describe_unkept
    from seqloom.errors import ConfigError
    from seqloom.inference.predictor import load
    from seqloom.progress import shown

    if out.suffix.lower() not in SUFFIXES:
        raise ConfigError("--out", "expected a name that ends in .mid", got=str(out))
    if soundfont is not None and not wav:
        raise ConfigError("--soundfont", "is for sound", got="no --wav", hint="Add --wav")
    files = [out, *[out.with_suffix(".wav")] * wav, *[out.with_suffix(".svg")] * plot]
    for file in files:
        check_target(file, overwrite)
    chosen = {"bars": bars, "time_signature": time_signature, "temperature": temperature}
    chosen |= {"top_k": top_k, "top_p": top_p, "seed": seed}
    decoding: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    predictor = load(run)
    with shown():
        tune = predictor.compose(primer, **decoding)
        unkept = None if primer is None else describe_unkept(primer)
        for file in files:
            save_tune(tune, file, overwrite=overwrite, soundfont=soundfont)
    if unkept:
        log(f"not kept of {primer}: {unkept}")
    signatures = list(dict.fromkeys(str(mark) for mark in tune.time_signatures))
    facts = {"bars": tune.num_bars, "time_signatures": signatures, "notes": len(tune.notes)}
    facts |= {"seconds": round(tune.seconds, 1)}
    if as_json:
        drawn_from = decoding.get("seed", predictor.config.decoding.model_dump().get("seed"))
        print_json({"run": str(run), "files": [str(file) for file in files], **facts, "seed": drawn_from})
        return
    log(f"{facts['bars']} bars in {', '.join(signatures)}, {facts['notes']} notes, {facts['seconds']} s")
    print("\n".join(map(str, files)))
