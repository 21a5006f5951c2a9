"""Greedy decoding and sampling, one step at a time; and all at once, which collects the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.decoding.beam import beam_search
from seqloom.decoding.checks import check_inputs, check_logits
from seqloom.decoding.greedy import argmax_token
from seqloom.decoding.history import History, Previous, needs_history
from seqloom.decoding.options import DecodingOptions
from seqloom.decoding.sampling import RandomStreams, sample_token, select_filters
from seqloom.decoding.step import Step, advance
from seqloom.errors import ConfigError
from seqloom.state import State, select_rows

NO_TOKEN = -1
"""Stands where a row has no token, because it ended before. No embedding takes it by mistake."""


class DecodedStep(NamedTuple):
    """One step of a batch.

    Fields:
        tokens: (B,) int64; `NO_TOKEN` in rows that ended before.
        finished: (B,) bool; rows that have ended, those whose last token this is included.
    """

    tokens: Tensor
    finished: Tensor


class DecodeOutput(NamedTuple):
    """The tokens of a batch.

    Fields:
        tokens: (B, T) int64, stops included; `NO_TOKEN` after a row's end.
        lengths: (B,) int64; tokens of each row, its stop included.
        stop_lengths: (B,) int64; how many of them, at the end, are the stop: 0 where a row ended
            without one.
    """

    tokens: Tensor
    lengths: Tensor
    stop_lengths: Tensor

    def rows(self) -> list[list[int]]:
        """The tokens of every row, its stop left out."""
        ends = (self.lengths - self.stop_lengths).tolist()
        return [row[:end] for row, end in zip(self.tokens.tolist(), ends, strict=True)]


def stream(
    step: Step, logits: Tensor, state: State, options: DecodingOptions, previous: Previous = None
) -> Iterator[DecodedStep]:
    """Decode step by step, greedy or sampling as `options` says.

    The first token needs no call of `step`; each later one needs one, made when it is asked for.
    Rows that end leave the batch: `step` sees live rows only. The iteration ends when all have ended.
    A row ends with a stop, after `max_new_tokens`, or, with `NO_TOKEN` as its last, where every token
    is banned.

    A batch gives the tokens that its rows give alone, as far as `step` gives the same logits: where two
    sizes of a batch differ in their last bits, two tokens that close to equal may change places.

    Args:
        step: see `Step`. It is called under `torch.inference_mode`.
        logits: (B, V), after the last token of the prompt: see `prefill`.
        state: the state there.
        options: `num_beams` must be 1.
        previous: the tokens of the prompt, for `repetition_penalty` and `no_repeat_ngram_size`, which
            otherwise see the new tokens only. Stops never look at them.

    Yields:
        `DecodedStep`, at most `max_new_tokens` times.

    Raises:
        ConfigError: options that don't fit the batch or the vocabulary; `num_beams` above 1.
        DataError: logits of another shape or with nan or inf; a state or `previous` that doesn't fit.

    >>> from seqloom.decoding import prefill
    >>> def step(tokens, state):  # the token after t is t + 1
    ...     return torch.nn.functional.one_hot(tokens + 1, 6).float(), state
    >>> logits, state = prefill(step, [[1], [3]], torch.zeros(1, 2, 1))
    >>> for tokens, finished in stream(step, logits, state, DecodingOptions(temperature=0, stop_tokens=(4,))):
    ...     print(tokens.tolist(), finished.tolist())
    [2, 4] [False, True]
    [3, -1] [False, True]
    [4, -1] [True, True]
    """
    check_inputs("stream", logits, state, options)
    if options.num_beams > 1:
        raise ConfigError(
            "stream",
            "num_beams must be 1, because a beam search has no token before its end",
            got=options.num_beams,
            hint="Use `decode`",
        )
    history = History(options, previous, logits)
    streams = None if options.is_greedy else RandomStreams(options.seed, logits.shape[0], logits.device)
    return _steps(step, logits, state, options, history if needs_history(options) else None, streams)


@torch.inference_mode()
def _steps(
    step: Step,
    logits: Tensor,
    state: State,
    options: DecodingOptions,
    history: History | None,
    streams: RandomStreams | None,
) -> Iterator[DecodedStep]:
    batch_size, vocabulary_size = logits.shape
    filters = () if options.is_greedy else select_filters(options)
    # The number that stands for "nothing to choose" ends a row as a stop does.
    ends = {*options.stop_tokens, vocabulary_size}
    live = list(range(batch_size))
    finished = torch.zeros(batch_size, dtype=torch.bool, device=logits.device)
    index: Tensor | None = None  # of live rows in the batch; None while all are live
    tokens = torch.empty(0)

    for position in range(options.max_new_tokens):
        if position:
            logits, state = advance(step, tokens.unsqueeze(1), state)
        scores = logits if history is None else history.ban(history.penalize(logits))
        shaped = scores
        for narrow in filters:
            shaped = narrow(shaped)
        tokens = argmax_token(shaped) if streams is None else sample_token(shaped, streams.draw())

        chosen = tokens.tolist()
        staying = [i for i, token in enumerate(chosen) if token not in ends]
        if vocabulary_size in chosen:
            check_logits(scores)
            tokens = tokens.masked_fill(tokens == vocabulary_size, NO_TOKEN)
        if history is not None:
            # Rows with nothing to choose leave now: whatever is written for them is never read.
            history.append([min(token, vocabulary_size - 1) for token in chosen])
            staying = [i for i in staying if not options.stop_length(history.produced[i])]
        if position + 1 == options.max_new_tokens:
            staying = []

        whole = (
            tokens if index is None else tokens.new_full((batch_size,), NO_TOKEN).index_copy(0, index, tokens)
        )
        if len(staying) == len(live):
            yield DecodedStep(whole, finished)
            continue
        kept = torch.tensor(staying, dtype=torch.int64, device=logits.device)
        live = [live[i] for i in staying]
        index = torch.tensor(live, dtype=torch.int64, device=logits.device)
        finished = torch.ones_like(finished).index_fill(0, index, False)
        yield DecodedStep(whole, finished)
        if not live:
            return
        tokens, state = tokens[kept], select_rows(state, kept)
        if history is not None:
            history.select(staying)
        if streams is not None:
            streams.select(staying)


def decode(
    step: Step, logits: Tensor, state: State, options: DecodingOptions, previous: Previous = None
) -> DecodeOutput:
    """Decode a batch to its end: greedy, sampling or the best of a beam search, as `options` says.

    Arguments and errors are those of `stream`, whose steps this collects, and of `beam_search`.

    Returns:
        `DecodeOutput`.

    >>> from seqloom.decoding import prefill
    >>> def step(tokens, state):  # the token after t is t + 1
    ...     return torch.nn.functional.one_hot(tokens + 1, 6).float(), state
    >>> logits, state = prefill(step, [[1], [3]], torch.zeros(1, 2, 1))
    >>> decode(step, logits, state, DecodingOptions(temperature=0, stop_tokens=(4,))).rows()
    [[2, 3], []]
    """
    if options.num_beams > 1:
        rows = [found[0].tokens for found in beam_search(step, logits, state, options, previous)]
    else:
        steps = [each.tokens for each in stream(step, logits, state, options, previous)]
        rows = [[t for t in row if t != NO_TOKEN] for row in torch.stack(steps, dim=1).tolist()]
    return collect(rows, options, logits.device)


def collect(rows: Sequence[Sequence[int]], options: DecodingOptions, device: torch.device) -> DecodeOutput:
    """What was decoded, from the tokens of each row."""
    longest = max(len(row) for row in rows)
    filled = [[*row, *[NO_TOKEN] * (longest - len(row))] for row in rows]
    return DecodeOutput(
        torch.tensor(filled, dtype=torch.int64, device=device),
        torch.tensor([len(row) for row in rows], device=device),
        torch.tensor([options.stop_length(row) for row in rows], device=device),
    )
