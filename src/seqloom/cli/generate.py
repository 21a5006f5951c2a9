"""`seqloom generate`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from seqloom.cli.terminal.options import Run, json_option

AS_IN_RUN = "  [default: as in the run]"


def command(
    run: Run,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="The text to continue.  [default: standard input, if that is a pipe]", show_default=False
        ),
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Most tokens to generate." + AS_IN_RUN)] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Divides the logits: lower is safer, higher bolder; 0 takes the likeliest token." + AS_IN_RUN
        ),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help="Sample from the k likeliest tokens; 0: from all." + AS_IN_RUN)
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            help="Sample from the likeliest tokens that together have this probability." + AS_IN_RUN
        ),
    ] = None,
    repetition_penalty: Annotated[
        float | None,
        typer.Option(help="Above 1: tokens that were generated become less likely." + AS_IN_RUN),
    ] = None,
    no_repeat_ngram_size: Annotated[
        int | None, typer.Option(help="No sequence of so many tokens occurs twice; 0: any may." + AS_IN_RUN)
    ] = None,
    num_beams: Annotated[
        int | None, typer.Option(help="Beam search with so many beams; 1: sample instead." + AS_IN_RUN)
    ] = None,
    length_penalty: Annotated[
        float | None, typer.Option(help="Of beam search: above 0 favors long texts." + AS_IN_RUN)
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(help="End at this text, which is left out. May be repeated.", show_default=False),
    ] = None,
    num_sequences: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many texts to generate, in one batch.")
    ] = 1,
    precision: Annotated[
        str | None,
        typer.Option(help="float32; bfloat16 and int8 are faster and a little less exact." + AS_IN_RUN),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of sampling." + AS_IN_RUN)] = None,
    as_json: Annotated[bool, json_option("run, prompt, texts (without the prompt) and seed")] = False,
) -> None:
    """Continue a prompt with a language model.

    Prints the prompt and the text after it, token by token.
    """
    from seqloom.cli.terminal.startup import import_torch

    import_torch()
    from seqloom.cli.terminal.output import print_json
    from seqloom.data.encoding import check_encodable
    from seqloom.inference.predictor import load

    text = check_encodable(prompt, "--prompt") if prompt is not None else _piped()
    chosen = {
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngram_size": no_repeat_ngram_size,
        "num_beams": num_beams,
        "length_penalty": length_penalty,
        "precision": precision,
        "seed": seed,
    }
    options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    options["stop"] = [check_encodable(ending, "--stop") for ending in stop or []]
    predictor = load(run)
    saved = predictor.config.decoding.model_dump()
    beams = options.get("num_beams", saved.get("num_beams", 1))
    if num_sequences == 1 and beams == 1 and not as_json:
        pieces = predictor.stream(text, **options)
        print(text, end="", flush=True)
        for piece in pieces:
            print(piece, end="", flush=True)
        print()
        return
    continuations = predictor.generate([text] * num_sequences, **options)
    if as_json:
        drawn_from = options.get("seed", saved["seed"])
        print_json({"run": str(run), "prompt": text, "texts": continuations, "seed": drawn_from})
    else:
        print("\n\n".join(text + continuation for continuation in continuations))


def _piped() -> str:
    from seqloom.cli.terminal.pipe import read_all

    return "" if sys.stdin.isatty() else read_all()
