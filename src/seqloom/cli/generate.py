"""`seqloom generate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    prompt: Annotated[
        str | None, typer.Option(help="What to write on from; read from standard input where that is a pipe.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(help="The most tokens to write.")] = 256,
    temperature: Annotated[
        float, typer.Option(help="0 always takes the likeliest; above 1 dares more.")
    ] = 1.0,
    top_k: Annotated[int, typer.Option(help="Choose among the k likeliest; 0 among all.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Choose among the likeliest that have this probability together.")
    ] = 1.0,
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1: what was written becomes less likely.")
    ] = 1.0,
    no_repeat_ngram_size: Annotated[
        int, typer.Option(help="No run of n tokens occurs twice; 0: allowed.")
    ] = 0,
    num_beams: Annotated[int, typer.Option(help="Beam search with so many beams, instead of chance.")] = 1,
    length_penalty: Annotated[float, typer.Option(help="Beam search: above 0 favors long texts.")] = 1.0,
    stop: Annotated[list[str] | None, typer.Option(help="End at this text; may be given again.")] = None,
    num_sequences: Annotated[int, typer.Option(min=1, help="Write so many texts, side by side.")] = 1,
    precision: Annotated[
        str, typer.Option(help="float32; or bfloat16 or int8, which are faster and a little less exact.")
    ] = "float32",
    seed: Annotated[int, typer.Option(help="The same seed writes the same text.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Write on after a prompt, token by token."""
    from seqloom.cli.output import print_json
    from seqloom.inference.predictor import load

    text = prompt if prompt is not None else _piped()
    options = {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngram_size": no_repeat_ngram_size,
        "num_beams": num_beams,
        "length_penalty": length_penalty,
        "stop": stop or [],
        "precision": precision,
        "seed": seed,
    }
    predictor = load(run)
    if num_sequences == 1 and num_beams == 1 and not as_json:
        pieces = predictor.stream(text, **options)
        print(text, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print()
        return
    written = predictor.generate([text] * num_sequences, **options)
    if as_json:
        print_json({"run": str(run), "prompt": text, "texts": written, "seed": seed})
    else:
        print("\n\n".join(text + more for more in written))


def _piped() -> str:
    return "" if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
