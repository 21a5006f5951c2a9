"""Beam search for the most probable sequences, for a batch of prompts.

    score(y) = log P(y | prompt) / |y| ** length_penalty

where |y| is the number of new tokens, the stop included: the score of transformers, a simple form of that in
Wu et al., "Google's neural machine translation system", 2016, section 7.
"""

from __future__ import annotations

import math
from typing import NamedTuple, final

import torch
from torch import Tensor

from seqloom.decoding.checks import check_inputs, check_logits
from seqloom.decoding.history import History, PreviousTokens
from seqloom.decoding.logits import BANNED
from seqloom.decoding.options import DecodingOptions
from seqloom.decoding.step import Step, advance
from seqloom.errors import ConfigError
from seqloom.state import State, select_rows


class Hypothesis(NamedTuple):
    """A finished hypothesis of beam search.

    Fields:
        tokens: the new tokens, the stop included.
        stop_length: how many of the last tokens are the stop; 0 if it ended without one.
        log_probability: log P(tokens | prompt), in nats.
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
    previous: PreviousTokens = None,
    *,
    num_return_sequences: int = 1,
) -> list[list[Hypothesis]]:
    """Search for the sequences with the best score.

    As in transformers, every step extends the `num_beams` best unfinished hypotheses, and a hypothesis
    finishes when its stop is among the `num_beams` best continuations. The search of a prompt ends when no
    unfinished hypothesis could beat its results even if all further tokens had probability 1, so ending early
    never changes a result. With one beam it ends at the first stop, as greedy decoding does.

    `repetition_penalty` changes the logits, and so the probabilities, as in its paper (transformers
    multiplies log-probabilities instead). `no_repeat_ngram_size` does not change the probabilities of other
    tokens.

    Args:
        step: see `Step`. It is called with up to B * num_beams rows, under `torch.inference_mode`.
        logits: (B, V), after the last token of the prompt: see `prefill`.
        state: the state there, of B rows.
        options: `temperature`, `top_k`, `top_p` and `seed` are not used.
        previous: as in `stream`.
        num_return_sequences: maximum hypotheses per prompt, at most `num_beams`.

    Returns:
        The hypotheses of each of the B prompts, best first; fewer than requested only if fewer exist.

    Raises:
        ConfigError: options that do not fit the batch or the vocabulary.
        DataError: logits of another shape or with nan or inf; a state or `previous` that does not fit.

    >>> def step(tokens, state):  # 0 is the stop; after 2 it is certain
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
    searches = [_BeamHypotheses(options, num_return_sequences) for _ in range(logits.shape[0])]
    active = searches

    # Every prompt begins with the empty hypothesis and num_beams - 1 unused beams of probability 0.
    rows = [prompt for prompt in range(len(active)) for _ in range(num_beams)]
    totals = [0.0, *[BANNED] * (num_beams - 1)] * len(active)
    index = torch.tensor(rows, device=logits.device)
    logits, state = logits[index], select_rows(state, index)
    history.select(rows)

    for length in range(1, options.max_new_tokens + 1):
        best = _find_continuations(history, logits, totals, options)
        next_active: list[_BeamHypotheses] = []
        rows, next_tokens, next_totals = [], [], []
        for i, search in enumerate(active):
            base = i * num_beams
            for row in range(base, base + num_beams):
                if best.all_banned[row] and totals[row] > BANNED:
                    search.add(list(history.generated[row]), 0, totals[row])
            beams: list[tuple[float, int, int]] = []
            candidates = zip(best.totals[i], best.beams[i], best.tokens[i], strict=True)
            for rank, (total, beam, token) in enumerate(candidates):
                if total == BANNED or len(beams) == num_beams:
                    break
                generated = [*history.generated[base + beam], token]
                stop_length = options.stop_length(generated)
                if stop_length and rank < num_beams:
                    search.add(generated, stop_length, total)
                elif not stop_length and length == options.max_new_tokens:
                    beams.append((total, base + beam, token))
                    search.add(generated, 0, total)
                elif not stop_length:
                    beams.append((total, base + beam, token))
            if not beams or search.is_done(beams[0][0], length):
                continue
            next_active.append(search)
            # Unused beams repeat a used one at probability 0, so that `step` gets valid rows only.
            beams += [(BANNED, *beams[0][1:])] * (num_beams - len(beams))
            next_totals += [total for total, _, _ in beams]
            rows += [row for _, row, _ in beams]
            next_tokens += [token for _, _, token in beams]
        if not next_active or length == options.max_new_tokens:
            break
        if rows != list(range(logits.shape[0])):
            index = torch.tensor(rows, device=logits.device)
            state = select_rows(state, index)
            history.select(rows)
        history.append(next_tokens)
        active, totals = next_active, next_totals
        logits, state = advance(step, torch.tensor(next_tokens, device=logits.device).unsqueeze(1), state)

    return [search.finished[:num_return_sequences] for search in searches]


class _Continuations(NamedTuple):
    """The best continuations of every prompt, best first, and the rows without any."""

    totals: list[list[float]]
    """Log-probabilities of the hypotheses, in nats"""
    beams: list[list[int]]
    """The beam, from 0, that each of them continues"""
    tokens: list[list[int]]
    all_banned: list[bool]
    """For every row, whether all its tokens are banned"""


def _find_continuations(
    history: History, logits: Tensor, totals: list[float], options: DecodingOptions
) -> _Continuations:
    """Enough continuations that `num_beams` are left even if every hypothesis meets every stop."""
    num_beams, vocabulary_size = options.num_beams, logits.shape[-1]
    count = num_beams * (1 + len(options.stop_tokens) + len(options.stop_sequences))
    scores = history.penalize(logits if logits.element_size() >= 4 else logits.float())
    # Normalized before tokens are banned: a ban makes no other token more probable. Ranked by logits, not by
    # log-probabilities: the rounding of a log-softmax would tie tokens that greedy decoding tells apart.
    normalizer = scores.logsumexp(dim=-1, keepdim=True).double()
    width = min(count, vocabulary_size)
    best, tokens = history.ban(scores).topk(width, dim=-1)
    log_probabilities = torch.where(best == BANNED, BANNED, best.double() - normalizer)
    before = torch.tensor(totals, dtype=torch.float64, device=logits.device).unsqueeze(1)
    sums = (before + log_probabilities).view(-1, num_beams * width)
    best_sums, place = sums.topk(min(count, num_beams * width))
    if best_sums.isnan().any():
        check_logits(scores)
    return _Continuations(
        best_sums.tolist(),
        (place // width).tolist(),
        tokens.view(-1, num_beams * width).gather(1, place).tolist(),
        (best[:, 0] == BANNED).tolist(),
    )


@final
class _BeamHypotheses:
    """The finished hypotheses of one prompt, best first, and whether they are final."""

    def __init__(self, options: DecodingOptions, num_return_sequences: int) -> None:
        self.finished: list[Hypothesis] = []
        self._options = options
        self._num_return_sequences = num_return_sequences

    def add(self, tokens: list[int], stop_length: int, log_probability: float) -> None:
        score = log_probability / max(len(tokens), 1) ** self._options.length_penalty
        self.finished.append(Hypothesis(tokens, stop_length, log_probability, score))
        self.finished.sort(key=lambda hypothesis: -hypothesis.score)
        del self.finished[self._options.num_beams :]

    def is_done(self, best_unfinished: float, length: int) -> bool:
        """Whether no hypothesis of `length` tokens, the best at `best_unfinished` nats, can become a result.

        Log-probabilities only fall. So the best that can follow is probability 1 from here on, to the length
        with the best score for it: the maximum or, with a length penalty below 0, the next.
        """
        if len(self.finished) == self._options.num_beams and (
            self._options.early_stopping or self._options.num_beams == 1
        ):
            return True
        penalty = self._options.length_penalty
        best_length = self._options.max_new_tokens if penalty >= 0 else length + 1
        return (
            len(self.finished) >= self._num_return_sequences
            and best_unfinished / math.pow(best_length, penalty)
            <= self.finished[self._num_return_sequences - 1].score
        )
