"""Greedy decoding and sampling by the native decoder: many steps per call, the same tokens as `stream`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from seqloom.decoding.checks import check_inputs, check_logits
from seqloom.decoding.generation import NO_TOKEN, DecodeOutput, collect
from seqloom.decoding.options import DecodingOptions
from seqloom.decoding.sampling import RandomStreams
from seqloom.errors import ConfigError
from seqloom.kernels.native.decoder import MAX_ROWS, Decoder, TokenSelection
from seqloom.state import State, select_rows

MAX_STEPS = 128
"""Maximum steps per call."""

MAX_BYTES = 1 << 30
"""Maximum bytes of weights that a call of several steps reads, which takes some 10 ms. Between calls tokens
are yielded and a keyboard interrupt is handled."""


def native_refusal(options: DecodingOptions, batch_size: int) -> str | None:
    """Why the native decoder cannot decode with `options`, as a clause for a message; None: it can."""
    if options.num_beams > 1:
        return "it has no beam search"
    if options.repetition_penalty != 1 or options.no_repeat_ngram_size:
        return "it has no repetition penalty and no n-gram ban"
    if batch_size > MAX_ROWS:
        return f"it takes at most {MAX_ROWS} rows"
    return None


def stream_native(
    decoder: Decoder, logits: Tensor, state: State, options: DecodingOptions
) -> Iterator[Tensor]:
    """Decode several steps at a time.

    Args:
        decoder: the native decoder with the model's weights.
        logits: (B, V), after the last token of the prompt: see `prefill`.
        state: the state there.
        options: options that `native_refusal` accepts. `precision` is not used: the decoder has its own.

    Yields:
        (B, T) int64, the tokens of the next T steps; `NO_TOKEN` after a row's end.

    Raises:
        ConfigError: options that do not fit the batch, the vocabulary or the decoder.
        DataError: logits of another shape or with nan or inf; a state that does not fit.
    """
    check_inputs("stream", logits, state, options)
    refusal = native_refusal(options, len(logits))
    if refusal is not None:
        raise ConfigError("stream", f"the native decoder cannot do this: {refusal}", hint="Use `stream`")
    streams = None if options.is_greedy else RandomStreams(options.seed, len(logits), logits.device)
    return _chunks(decoder, logits, state, options, streams)


@torch.inference_mode()
def _chunks(
    decoder: Decoder, logits: Tensor, state: State, options: DecodingOptions, streams: RandomStreams | None
) -> Iterator[Tensor]:
    batch_size, steps_left = len(logits), options.max_new_tokens
    max_steps = min(MAX_STEPS, max(1, MAX_BYTES // decoder.weight_bytes))
    filters = options.temperature or 1.0, options.top_k, options.top_p, options.stop_tokens
    active, last_tokens = torch.arange(batch_size, device="cpu"), [[] for _ in range(batch_size)]
    while steps_left and len(active):
        steps = min(steps_left, max_steps)
        selection = TokenSelection(None if streams is None else streams.draw_many(steps), *filters)
        tokens, finished, logits, state, is_invalid = decoder.generate(logits, state, steps, selection)
        invalid_logits = logits[~finished] if is_invalid else None
        if options.stop_sequences:
            _end_at_stop_sequences(tokens, finished, last_tokens, options)
        if tokens.shape[1]:
            all_tokens = tokens.new_full((batch_size, tokens.shape[1]), NO_TOKEN)
            yield tokens if len(active) == batch_size else all_tokens.index_copy_(0, active, tokens)
        if invalid_logits is not None:
            check_logits(invalid_logits)
        steps_left -= steps
        if finished.any():
            index = (~finished).nonzero().squeeze(1)
            active, logits, state = active[index], logits[index], select_rows(state, index)
            rows = index.tolist()
            last_tokens = [last_tokens[row] for row in rows]
            if streams is not None:
                streams.select(rows)


def _end_at_stop_sequences(
    tokens: Tensor, finished: Tensor, last_tokens: list[list[int]], options: DecodingOptions
) -> None:
    """End rows at their first stop sequence, in place; `last_tokens` are those of earlier calls."""
    longest = max(len(sequence) for sequence in options.stop_sequences)
    for row, (recent, new_tokens) in enumerate(zip(last_tokens, tokens.tolist(), strict=True)):
        for position, token in enumerate(new_tokens):
            recent.append(token)
            if options.stop_length(recent[-longest:]):
                tokens[row, position + 1 :] = NO_TOKEN
                finished[row] = True
                break
        del recent[:-longest]


def decode_native(decoder: Decoder, logits: Tensor, state: State, options: DecodingOptions) -> DecodeOutput:
    """Decode a batch to its end. Arguments and errors are those of `stream_native`."""
    rows: list[list[int]] = [[] for _ in range(len(logits))]
    for chunk in stream_native(decoder, logits, state, options):
        for row, tokens in zip(rows, chunk.tolist(), strict=True):
            row += [token for token in tokens if token != NO_TOKEN]
    return collect(rows, options, logits.device)
