"""`seqloom transcribe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor

HELP_STREAM = (
    "Transcribe while it is said: raw samples from standard input, 16-bit little-endian integers of one "
    "channel, at the model's sample rate. Needs a model that reads in one direction."
)


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(help="FeatureCache, or tables with a column file.", show_default=False),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help=HELP_STREAM)] = False,
    num_beams: Annotated[
        int | None,
        typer.Option(help="Search with so many beams; 1 is greedy.  [default: as in the run]"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, as decoding.language_model=ngram."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at a bad recording, instead of leaving its line empty.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Write what is said in recordings, a line each, or in a stream, as it comes."""
    from seqloom.cli.output import decoding_of, print_answers, print_json
    from seqloom.data.bucketing import BATCH_SIZE
    from seqloom.errors import ConfigError
    from seqloom.inference.inputs import inputs_of
    from seqloom.inference.predictor import load

    if stream == bool(files):
        expected = "expected recordings, or --stream and nothing else"
        raise ConfigError("transcribe", expected, got="both" if files else "neither")
    decoding = decoding_of(settings) | ({} if num_beams is None else {"num_beams": num_beams})
    predictor = load(run)
    if stream:
        _stream(predictor, decoding, as_json)
        return
    paths = [path for argument in files or () for path in inputs_of(argument, "file")]
    found = []
    for start in range(0, len(paths), BATCH_SIZE):
        some = paths[start : start + BATCH_SIZE]
        answers = predictor.predict(some, strict=strict, **decoding)
        if as_json:
            found += [
                {"file": str(path), "transcription": answer.text}
                | ({"error": answer.details["error"]} if "error" in answer.details else {})
                for path, answer in zip(some, answers, strict=True)
            ]
        else:
            print_answers(answers)
    if as_json:
        print_json({"run": str(run), "transcripts": found})


def _stream(predictor: Predictor, decoding: dict[str, Any], as_json: bool) -> None:
    """Print as it comes; as JSON, at the end."""
    import sys

    from seqloom.cli.output import print_json
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
