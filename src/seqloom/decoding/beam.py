"""Beam search: the most probable sequences, many prompts in one batch.

    score(y) = log P(y | prompt) / |y| ** length_penalty

where |y| counts the new tokens, the stop included. This is transformers' score, of Wu et al.,
"Google's neural machine translation system", 2016, section 7, in its simple form.
"""

from __future__ import annotations

import math
from typing import NamedTuple, final

import torch
from torch import Tensor

from seqloom.decoding.checks import check_inputs, check_logits
from seqloom.decoding.history import History, Previous
from seqloom.decoding.logits import BANNED
from seqloom.decoding.options import DecodingOptions
from seqloom.decoding.step import Step, advance
from seqloom.errors import ConfigError
from seqloom.state import State, select_rows


class Hypothesis(NamedTuple):
    """One sequence that beam search found.

    Fields:
        tokens: the new tokens, the stop included.
        stop_length: how many of them, at the end, are the stop: 0 where it ended without one.
        log_probability: of the tokens given the prompt, in nats.
        score: log_probability / len(tokens) ** length_penalty.
    """

    tokens: list[int]
    stop_length: int
    log_probability: float
    score: float


@torch.inference_mode()
def beam_search(
    step: Step,
    logits: Tensor,
    state: State,
    options: DecodingOptions,
    previous: Previous = None,
    *,
    num_return_sequences: int = 1,
) -> list[list[Hypothesis]]:
    """Search for the sequences with the best score.

    As in transformers, the `num_beams` best unfinished hypotheses go on at every step, and a hypothesis
    finishes when its stop is among the `num_beams` best continuations. A sequence leaves the batch when
    no live hypothesis can beat its results, even if all its further tokens had probability 1: ending
    early changes nothing. A beam of one ends with its first stop: it is greedy decoding.

    `repetition_penalty` changes the logits, so the probabilities, as its paper has it (transformers
    multiplies log-probabilities instead). `no_repeat_ngram_size` leaves the probabilities of the tokens
    that remain as they were.

    Args:
        step: see `Step`. It is called with up to B * num_beams rows, under `torch.inference_mode`.
        logits: (B, V), after the last token of the prompt: see `prefill`.
        state: the state there, of B rows.
        options: `temperature`, `top_k`, `top_p` and `seed` have no part in a search.
        previous: as in `stream`.
        num_return_sequences: hypotheses to return of each sequence, at most `num_beams`.

    Returns:
        For each of the B prompts its hypotheses, best first; fewer than asked for only where fewer exist.

    Raises:
        ConfigError: options that don't fit the batch or the vocabulary.
        DataError: logits of another shape or with nan or inf; a state or `previous` that doesn't fit.

    >>> def step(tokens, state):  # 0 is the stop; 1 and 2 lead to different futures
    ...     table = torch.tensor([[1.0, 0.0, 0.0], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]])
    ...     return table[tokens].log(), state
    >>> start, state = torch.tensor([[0.0, 0.6, 0.4]]).log(), torch.zeros(1, 1, 1)
    >>> options = DecodingOptions(num_beams=2, length_penalty=0, stop_tokens=(0,))
    >>> beam_search(step, start, state, options)[0][0].tokens
    [2, 0]
    """
    check_inputs("beam_search", logits, state, options)
    num_beams = options.num_beams
    if not 1 <= num_return_sequences <= num_beams:
        raise ConfigError(
            "beam_search",
            f"num_return_sequences must be from 1 to num_beams, which is {num_beams}",
            got=num_return_sequences,
        )
    history = History(options, previous, logits)
    searches = [_Search(options, num_return_sequences) for _ in range(logits.shape[0])]
    live = searches

    # One hypothesis, the empty one, and num_beams - 1 places that are still free.
    rows = [b for b in range(len(live)) for _ in range(num_beams)]
    sums = [0.0, *[BANNED] * (num_beams - 1)] * len(live)
    index = torch.tensor(rows, device=logits.device)
    logits, state = logits[index], select_rows(state, index)
    history.select(rows)

    for length in range(1, options.max_new_tokens + 1):
        totals, parents, tokens, stuck = _continuations(history, logits, sums, options)
        still: list[_Search] = []
        rows, fed, following = [], [], []
        for i, search in enumerate(live):
            base = i * num_beams
            for row in range(base, base + num_beams):
                if stuck[row] and sums[row] > BANNED:
                    search.finish(list(history.produced[row]), 0, sums[row])
            kept: list[tuple[float, int, int]] = []
            for rank, (total, parent, token) in enumerate(zip(totals[i], parents[i], tokens[i], strict=True)):
                if total == BANNED or len(kept) == num_beams:
                    break
                produced = [*history.produced[base + parent], token]
                stop_length = options.stop_length(produced)
                if stop_length and rank < num_beams:
                    search.finish(produced, stop_length, total)
                elif not stop_length and length == options.max_new_tokens:
                    kept.append((total, base + parent, token))
                    search.finish(produced, 0, total)
                elif not stop_length:
                    kept.append((total, base + parent, token))
            if not kept or search.is_decided(kept[0][0], length):
                continue
            still.append(search)
            # Free places repeat a live row, so that `step` sees nothing strange, at probability 0.
            kept += [(BANNED, *kept[0][1:])] * (num_beams - len(kept))
            following += [total for total, _, _ in kept]
            rows += [row for _, row, _ in kept]
            fed += [token for _, _, token in kept]
        if not still or length == options.max_new_tokens:
            break
        if rows != list(range(logits.shape[0])):
            index = torch.tensor(rows, device=logits.device)
            state = select_rows(state, index)
            history.select(rows)
        history.append(fed)
        live, sums = still, following
        logits, state = advance(step, torch.tensor(fed, device=logits.device).unsqueeze(1), state)

    return [search.finished[:num_return_sequences] for search in searches]


def _continuations(
    history: History, logits: Tensor, sums: list[float], options: DecodingOptions
) -> tuple[list[list[float]], list[list[int]], list[list[int]], list[bool]]:
    """The best continuations of every sequence: their sums, beams and tokens, and the rows that have none.

    Enough of them that `num_beams` remain, even if every hypothesis meets every stop.
    """
    num_beams, vocabulary_size = options.num_beams, logits.shape[-1]
    count = num_beams * (1 + len(options.stop_tokens) + len(options.stop_sequences))
    scores = history.penalize(logits if logits.element_size() >= 4 else logits.float())
    # Normalized before tokens are banned: banning makes no other token more probable. Ranked before
    # normalizing: the rounding of a log-softmax would tie tokens that greedy decoding tells apart.
    normalizer = scores.logsumexp(dim=-1, keepdim=True).double()
    width = min(count, vocabulary_size)
    best, tokens = history.ban(scores).topk(width, dim=-1)
    log_probabilities = torch.where(best == BANNED, BANNED, best.double() - normalizer)
    before = torch.tensor(sums, dtype=torch.float64, device=logits.device).unsqueeze(1)
    totals, place = (
        (before + log_probabilities).view(-1, num_beams * width).topk(min(count, num_beams * width))
    )
    if totals.isnan().any():
        check_logits(scores)
    return (
        totals.tolist(),
        (place // width).tolist(),
        tokens.view(-1, num_beams * width).gather(1, place).tolist(),
        (best[:, 0] == BANNED).tolist(),
    )


@final
class _Search:
    """The finished hypotheses of one prompt, best first, and whether they are final."""

    def __init__(self, options: DecodingOptions, num_return_sequences: int) -> None:
        self.finished: list[Hypothesis] = []
        self._options = options
        self._wanted = num_return_sequences

    def finish(self, tokens: list[int], stop_length: int, log_probability: float) -> None:
        score = log_probability / max(len(tokens), 1) ** self._options.length_penalty
        self.finished.append(Hypothesis(tokens, stop_length, log_probability, score))
        self.finished.sort(key=lambda hypothesis: -hypothesis.score)
        del self.finished[self._options.num_beams :]

    def is_decided(self, best_live: float, length: int) -> bool:
        """Whether no hypothesis of `length` tokens, the best at `best_live`, can become a result.

        Log-probabilities only fall. So the best that can follow is probability 1 from here on, to the
        length at which the penalty is kindest: the greatest, or, if it is below 0, the next.
        """
        if len(self.finished) == self._options.num_beams and (
            self._options.early_stopping or self._options.num_beams == 1
        ):
            return True
        penalty = self._options.length_penalty
        kindest = self._options.max_new_tokens if penalty >= 0 else length + 1
        return (
            len(self.finished) >= self._wanted
            and best_live / math.pow(kindest, penalty) <= self.finished[self._wanted - 1].score
        )
