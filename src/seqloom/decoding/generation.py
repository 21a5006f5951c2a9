"""Generation: `stream` decodes a batch step by step (greedy or sampling), `decode` to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.decoding.beam import beam_search
from seqloom.decoding.checks import check_inputs, check_logits
from seqloom.decoding.constraint import Constraint
from seqloom.decoding.greedy import argmax_token
from seqloom.decoding.history import History, PreviousTokens, needs_history
from seqloom.decoding.options import DecodingOptions
from seqloom.decoding.sampling import RandomStreams, sample_token, select_filters
from seqloom.decoding.step import Step, advance
from seqloom.errors import ConfigError
from seqloom.state import State, select_rows

NO_TOKEN = -1
"""Padding after the end of a row. It is no valid token id, so that no embedding accepts it by mistake."""


class DecodedStep(NamedTuple):
    """One step of a batch.

    Fields:
        tokens: (B,) int64; `NO_TOKEN` in rows that ended before.
        finished: (B,) bool; rows that have ended, before or with this token.
    """

    tokens: Tensor
    finished: Tensor


class DecodeOutput(NamedTuple):
    """The generated tokens of a batch.

    Fields:
        tokens: (B, T) int64, stops included; `NO_TOKEN` after a row's end.
        lengths: (B,) int64; number of tokens of every row, its stop included.
        stop_lengths: (B,) int64; how many of the last tokens are the stop; 0 in rows that ended without one.
    """

    tokens: Tensor
    lengths: Tensor
    stop_lengths: Tensor

    def rows(self) -> list[list[int]]:
        """The tokens of every row, without its stop."""
        ends = (self.lengths - self.stop_lengths).tolist()
        return [row[:end] for row, end in zip(self.tokens.tolist(), ends, strict=True)]


def stream(
    step: Step,
    logits: Tensor,
    state: State,
    options: DecodingOptions,
    previous: PreviousTokens = None,
    constraint: Constraint | None = None,
) -> Iterator[DecodedStep]:
    """Decode step by step, greedy or sampling, as `options` say.

    The first token needs no call of `step`; every later one needs one call, made when that token is
    requested. Rows that end leave the batch, so that `step` gets active rows only. The iteration ends when
    all rows have ended. A row ends with a stop, after `max_new_tokens`, or where every token is banned; then
    its last token is `NO_TOKEN`.

    A row's tokens do not depend on the other rows, as far as the logits of `step` don't: where these differ
    in their last bits between batch sizes, two tokens with nearly equal logits may change places.

    Args:
        step: see `Step`. It is called under `torch.inference_mode`.
        logits: (B, V), after the last token of the prompt: see `prefill`.
        state: the state there.
        options: `num_beams` must be 1.
        previous: the tokens of the prompts, for `repetition_penalty` and `no_repeat_ngram_size`, which
            otherwise apply to new tokens only. Stops always do.
        constraint: which tokens may come next, for grammars; it sees the logits first.

    Yields:
        `DecodedStep`, at most `max_new_tokens` times.

    Raises:
        ConfigError: options that do not fit the batch or the vocabulary; `num_beams` above 1.
        DataError: logits of another shape or with nan or inf; a state or `previous` that does not fit.

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
            "num_beams must be 1, because beam search has no result before its end",
            got=options.num_beams,
            hint="Use `decode`",
        )
    history = History(options, previous, logits)
    streams = None if options.is_greedy else RandomStreams(options.seed, logits.shape[0], logits.device)
    history = history if needs_history(options) else None
    return _steps(step, logits, state, options, history, streams, constraint)


@torch.inference_mode()
def _steps(
    step: Step,
    logits: Tensor,
    state: State,
    options: DecodingOptions,
    history: History | None,
    streams: RandomStreams | None,
    constraint: Constraint | None,
) -> Iterator[DecodedStep]:
    batch_size, vocabulary_size = logits.shape
    filters = () if options.is_greedy else select_filters(options)
    # `vocabulary_size`, which means that no token is valid, ends a row as a stop token does.
    ends = {*options.stop_tokens, vocabulary_size}
    active = list(range(batch_size))
    finished = torch.zeros(batch_size, dtype=torch.bool, device=logits.device)
    index: Tensor | None = None  # active rows of the batch; None while all are active
    tokens = logits.new_empty(0)

    for position in range(options.max_new_tokens):
        if position:
            logits, state = advance(step, tokens.unsqueeze(1), state)
        scores = logits if constraint is None else constraint.apply(logits)
        scores = scores if history is None else history.ban(history.penalize(scores))
        filtered = scores
        for apply_filter in filters:
            filtered = apply_filter(filtered)
        tokens = argmax_token(filtered) if streams is None else sample_token(filtered, streams.draw())

        token_list = tokens.tolist()
        remaining = [i for i, token in enumerate(token_list) if token not in ends]
        if vocabulary_size in token_list:
            check_logits(scores)
            tokens = tokens.masked_fill(tokens == vocabulary_size, NO_TOKEN)
        if history is not None:
            # Rows without a valid token leave below: what is appended for them is never read.
            history.append([min(token, vocabulary_size - 1) for token in token_list])
            remaining = [i for i in remaining if not options.stop_length(history.generated[i])]
        if position + 1 == options.max_new_tokens:
            remaining = []
        if constraint is not None:
            constraint.advance(remaining, [token_list[i] for i in remaining])

        all_tokens = tokens
        if index is not None:
            all_tokens = tokens.new_full((batch_size,), NO_TOKEN).index_copy(0, index, tokens)
        if len(remaining) == len(active):
            yield DecodedStep(all_tokens, finished)
            continue
        active = [active[i] for i in remaining]
        index = torch.tensor(active, dtype=torch.int64, device=logits.device)
        finished = torch.ones_like(finished).index_fill(0, index, False)
        yield DecodedStep(all_tokens, finished)
        if not active:
            return
        rows = torch.tensor(remaining, dtype=torch.int64, device=logits.device)
        tokens, state = tokens[rows], select_rows(state, rows)
        if history is not None:
            history.select(remaining)
        if streams is not None:
            streams.select(remaining)


def decode(
    step: Step,
    logits: Tensor,
    state: State,
    options: DecodingOptions,
    previous: PreviousTokens = None,
    constraint: Constraint | None = None,
) -> DecodeOutput:
    """Decode a batch to its end: greedy, sampling, or the best hypotheses of a beam search, as `options` say.

    Arguments and errors are those of `stream` and `beam_search`; a beam search takes no `constraint`.

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
        if constraint is not None:
            raise ConfigError("decode", "with a constraint num_beams must be 1", got=options.num_beams)
        rows = [best.tokens for best, *_ in beam_search(step, logits, state, options, previous)]
    else:
        rows = [[] for _ in range(len(logits))]
        for tokens, _ in stream(step, logits, state, options, previous, constraint):
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if token != NO_TOKEN:
                    row.append(token)
    return collect(rows, options, logits.device)


def collect(rows: Sequence[Sequence[int]], options: DecodingOptions, device: torch.device) -> DecodeOutput:
    """Collect the tokens of every row in a padded `DecodeOutput`."""
    longest = max(len(row) for row in rows)
    padded = [[*row, *[NO_TOKEN] * (longest - len(row))] for row in rows]
    return DecodeOutput(
        torch.tensor(padded, dtype=torch.int64, device=device),
        torch.tensor([len(row) for row in rows], device=device),
        torch.tensor([options.stop_length(row) for row in rows], device=device),
    )
