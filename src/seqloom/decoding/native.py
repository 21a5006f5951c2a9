"""Greedy decoding and sampling by the compiled decoder: many tokens a call, the same that `stream` gives."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from seqloom.decoding.checks import check_start, refuse_non_numbers
from seqloom.decoding.generation import NO_TOKEN, DecodeOutput, collect
from seqloom.decoding.options import DecodingOptions
from seqloom.decoding.sampling import RandomStreams
from seqloom.errors import ConfigError
from seqloom.kernels.native.decoder import MAX_ROWS, Decoder, TokenSelection
from seqloom.state import State, select_rows

MAX_STEPS = 128
"""Tokens a call, at most."""

MAX_BYTES = 1 << 30
"""Weights read in a call, at most, where that is more than a token: some 10 ms. Between two calls what was
written is shown and an interrupt heard."""


def why_not_compiled(options: DecodingOptions, batch_size: int) -> str | None:
    """Why the compiled decoder cannot do what `options` ask for, as half a sentence; None: it can."""
    if options.num_beams > 1:
        return "it searches no beams"
    if options.repetition_penalty != 1 or options.no_repeat_ngram_size:
        return "it does not look back at tokens"
    if batch_size > MAX_ROWS:
        return f"it takes {MAX_ROWS} rows at most"
    return None


def stream_compiled(
    decoder: Decoder, logits: Tensor, state: State, options: DecodingOptions
) -> Iterator[Tensor]:
    """Decode some steps at a time.

    Args:
        decoder: the model's weights.
        logits: (B, V), after the last token of the prompt: see `prefill`.
        state: the state there.
        options: to which `why_not_compiled` has no objection. `precision` is not read: it is the decoder's.

    Yields:
        (B, T) int64, the tokens of the next T steps; `NO_TOKEN` after a row's end.

    Raises:
        ConfigError: options that don't fit the batch, the vocabulary or the decoder.
        DataError: logits of another shape or with nan or inf; a state that doesn't fit.
    """
    check_start("stream", logits, state, options)
    refusal = why_not_compiled(options, len(logits))
    if refusal is not None:
        raise ConfigError("stream", f"the compiled decoder cannot do this: {refusal}", hint="Use `stream`")
    streams = None if options.is_greedy else RandomStreams(options.seed, len(logits), logits.device)
    return _chunks(decoder, logits, state, options, streams)


@torch.inference_mode()
def _chunks(
    decoder: Decoder, logits: Tensor, state: State, options: DecodingOptions, streams: RandomStreams | None
) -> Iterator[Tensor]:
    size, left = len(logits), options.max_new_tokens
    most = min(MAX_STEPS, max(1, MAX_BYTES // decoder.weight_bytes))
    filters = options.temperature or 1.0, options.top_k, options.top_p, options.stop_tokens
    live, tails = torch.arange(size), [[] for _ in range(size)]
    while left and len(live):
        steps = min(left, most)
        choice = TokenSelection(None if streams is None else streams.take(steps), *filters)
        tokens, finished, logits, state, wrong = decoder.generate(logits, state, steps, choice)
        suspects = logits[~finished] if wrong else None
        if options.stop_sequences:
            _stop(tokens, finished, tails, options)
        if tokens.shape[1]:
            whole = tokens.new_full((size, tokens.shape[1]), NO_TOKEN)
            yield tokens if len(live) == size else whole.index_copy_(0, live, tokens)
        if suspects is not None:
            refuse_non_numbers(suspects)
        left -= steps
        if finished.any():
            staying = (~finished).nonzero().squeeze(1)
            live, logits, state = live[staying], logits[staying], select_rows(state, staying)
            kept = staying.tolist()
            tails = [tails[row] for row in kept]
            if streams is not None:
                streams.select(kept)


def _stop(tokens: Tensor, finished: Tensor, tails: list[list[int]], options: DecodingOptions) -> None:
    """End rows at the first of the stop sequences; `tails` are their last tokens from before."""
    longest = max(len(run) for run in options.stop_sequences)
    for row, (tail, chosen) in enumerate(zip(tails, tokens.tolist(), strict=True)):
        for place, token in enumerate(chosen):
            tail.append(token)
            if options.stop_length(tail[-longest:]):
                tokens[row, place + 1 :] = NO_TOKEN
                finished[row] = True
                break
        del tail[:-longest]


def decode_compiled(decoder: Decoder, logits: Tensor, state: State, options: DecodingOptions) -> DecodeOutput:
    """Decode a batch to its end. Arguments and errors are those of `stream_compiled`, which this collects."""
    rows: list[list[int]] = [[] for _ in range(len(logits))]
    for chunk in stream_compiled(decoder, logits, state, options):
        for row, tokens in zip(rows, chunk.tolist(), strict=True):
            row += [token for token in tokens if token != NO_TOKEN]
    return collect(rows, options, logits.device)
