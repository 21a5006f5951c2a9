"""`seqloom transcribe`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqloom.cli.terminal.options import Run, RunSettings, Strict, json_option

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor

HELP_STREAM = (
    "Transcribe standard input while it is recorded: raw samples, 16-bit little-endian integers of one "
    "channel, at the model's sample rate. Needs a model that reads in one direction."
)
KEYS = "run and transcripts: for each file its file, transcription and, if it cannot be used, error; with "
KEYS += "--stream, run and transcription"


def command(
    run: Run,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Recordings, clips, or tables with a column file.", show_default=False),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help=HELP_STREAM)] = False,
    num_beams: Annotated[
        int | None,
        typer.Option(
            help="Beam search with so many beams; 1: greedy.  [default: the run's]", show_default=False
        ),
    ] = None,
    settings: RunSettings = None,
    strict: Strict = False,
    as_json: Annotated[bool, json_option(KEYS)] = False,
) -> None:
    """Transcribe recordings or clips, or a stream of sound while it is recorded.

    Prints a line per file, which is empty where the file cannot be used.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import log, print_answers, print_json, run_settings
    from seqloom.data.bucketing import BATCH_SIZE
    from seqloom.errors import ConfigError
    from seqloom.inference.predictor import load
    from seqloom.progress import shown

    if stream == bool(files):
        expected = "expected recordings, or --stream and nothing else"
        raise ConfigError("transcribe", expected, got="both" if files else "neither")
    decoding, reading = run_settings(settings)
    decoding |= {} if num_beams is None else {"num_beams": num_beams}
    predictor = load(run)
    if stream:
        _stream(predictor, decoding, as_json)
        return
    paths = [path for argument in files or () for path in predictor.read_inputs(argument, reading, log=log)]
    transcripts = []
    for start in range(0, len(paths), BATCH_SIZE):
        batch = paths[start : start + BATCH_SIZE]
        with shown():
            answers = predictor.predict(batch, strict=strict, **decoding)
        if as_json:
            transcripts += [
                {"file": str(path), "transcription": answer.text}
                | ({"error": answer.details["error"]} if "error" in answer.details else {})
                for path, answer in zip(batch, answers, strict=True)
            ]
        else:
            print_answers(answers)
    if as_json:
        print_json({"run": str(run), "transcripts": transcripts})


def _stream(predictor: Predictor, decoding: dict[str, Any], as_json: bool) -> None:
    """Print each piece of text as soon as it is known; as JSON, all of it at the end."""
    import sys

    from seqloom.cli.terminal.output import print_json
    from seqloom.data.audio.files import read_pcm
    from seqloom.errors import ConfigError

    if sys.stdin.isatty():
        hint = "For example: arecord -t raw -f S16_LE -c 1 -r 16000 | seqloom transcribe RUN --stream"
        raise ConfigError("--stream", "expected samples on standard input", got="a terminal", hint=hint)
    pieces = predictor.transcribe_stream(read_pcm(sys.stdin.buffer), **decoding)
    if as_json:
        print_json({"run": str(predictor.folder), "transcription": "".join(pieces)})
        return
    for piece in pieces:
        print(piece, end="", flush=True)
    print(flush=True)
