r"""Connectionist temporal classification, searched: the most probable texts, not the most probable path.

.. math::

    \mathrm{score}(y) = \log p(y | x) + \alpha \log p_{LM}(y) + \beta |y|

Prefix beam search (Graves 2012, "Supervised sequence labelling with recurrent neural networks", section 7.5;
Hannun et al. 2014, arXiv:1408.2873): of every prefix the probability of its paths that end in a blank, and of
those that end in its last symbol, are summed apart, because only a blank lets a symbol follow itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias, final

import numpy
from torch import Tensor

from seqloom.decoding.ctc.greedy import BLANK, check_scores
from seqloom.errors import ConfigError, DataError
from seqloom.layers.masking import Lengths

Prefix: TypeAlias = "tuple[int, ...]"

Scorer: TypeAlias = "Callable[[Sequence[Prefix]], numpy.ndarray]"
"""A language model: `scorer(prefixes)` gives log-probabilities (n, V) in nats of what follows each prefix; at
number 0, the blank's, that the text ends there. A prefix is asked about after the one it continues, and a
new row begins with the empty one; so a scorer may keep states."""

NEVER = -numpy.inf


class CTCBeamOptions(NamedTuple):
    """How to search.

    Fields:
        num_beams: prefixes kept at every step.
        lm_weight: alpha, of the language model's log-probability.
        length_bonus: beta, nats for each symbol, which make up for a language model's love of short texts.
    """

    num_beams: int = 8
    lm_weight: float = 0.0
    length_bonus: float = 0.0


class CTCHypothesis(NamedTuple):
    """One text that the search found.

    Fields:
        symbols: its numbers, without blanks.
        log_probability: log p(y | x), of all of its paths that stayed in the beam.
        score: with language model and bonus, by which hypotheses are ranked.
    """

    symbols: list[int]
    log_probability: float
    score: float


def ctc_beam_search(
    scores: Tensor, lengths: Lengths, options: CTCBeamOptions, scorer: Scorer | None = None
) -> list[list[CTCHypothesis]]:
    """Search for the most probable texts of each row; what is found does not depend on who shares the batch.

    Args:
        scores: (B, T, V) log-probabilities of each step; number 0 is the blank.
        lengths: (B,) the real steps of each row; None: all.
        options: how to search.
        scorer: a language model, weighted by `options.lm_weight`.

    Returns:
        For each row up to `num_beams` hypotheses, best first.

    Raises:
        DataError: scores of another shape, or with nan or inf; a length that does not fit.
        ConfigError: options out of their range.

    >>> step = [0.6, 0.4]  # the best path is all blank; two others together are more probable
    >>> import torch
    >>> best = ctc_beam_search(torch.tensor([[step, step]]).log(), None, CTCBeamOptions(num_beams=4))[0][0]
    >>> best.symbols, round(numpy.exp(best.log_probability).item(), 3)
    ([1], 0.64)
    """
    if options.num_beams < 1:
        raise ConfigError("ctc_beam_search", "num_beams must be an int >= 1", got=options.num_beams)
    for name in ("lm_weight", "length_bonus"):
        if not numpy.isfinite(value := getattr(options, name)) or (name == "lm_weight" and value < 0):
            expected = f"{name} must be a number" + (" >= 0" if name == "lm_weight" else "")
            raise ConfigError("ctc_beam_search", expected, got=value)
    real = check_scores("ctc_beam_search", scores, lengths).tolist()
    steps = scores.detach().double().cpu().numpy()
    if not options.lm_weight:
        scorer = None
    return [_search(row[:length], options, scorer) for row, length in zip(steps, real, strict=True)]


def _search(steps: numpy.ndarray, options: CTCBeamOptions, scorer: Scorer | None) -> list[CTCHypothesis]:
    """One row: steps (T, V)."""
    beam = _Beam.of(steps.shape[1], options, scorer)
    for step in steps:
        beam = beam.after(step)
    total = numpy.logaddexp(beam.blank, beam.symbol)
    ranked = total + beam.extra + beam.following[:, BLANK]
    order = numpy.argsort(-ranked, kind="stable")
    return [CTCHypothesis(list(beam.prefixes[i]), float(total[i]), float(ranked[i])) for i in order]


@final
class _Beam(NamedTuple):
    """The prefixes that are kept, K of them."""

    prefixes: list[Prefix]
    blank: numpy.ndarray
    """(K,) log of the summed probability of the paths that end in a blank"""
    symbol: numpy.ndarray
    """(K,) of those that end in the prefix's last symbol"""
    extra: numpy.ndarray
    """(K,) what language model and bonus gave each prefix"""
    following: numpy.ndarray
    """(K, V) what they would give each symbol after it"""
    options: CTCBeamOptions
    scorer: Scorer | None

    @staticmethod
    def of(vocabulary_size: int, options: CTCBeamOptions, scorer: Scorer | None) -> _Beam:
        """The empty prefix, which begins as if after a blank."""
        following = _following([()], vocabulary_size, options, scorer)
        zero = numpy.zeros(1)
        return _Beam([()], zero, numpy.full(1, NEVER), zero, following, options, scorer)

    def after(self, step: numpy.ndarray) -> _Beam:
        """The best prefixes after one more step, log-probabilities (V,)."""
        K, V = self.following.shape
        last = numpy.array([prefix[-1] if prefix else BLANK for prefix in self.prefixes])
        places = numpy.arange(K)
        total = numpy.logaddexp(self.blank, self.symbol)
        blank = total + step[BLANK]
        symbol = numpy.where(last == BLANK, NEVER, self.symbol + step[last])
        grown = total[:, None] + step  # (K, V): each prefix with one symbol more
        grown[places, last] = self.blank + step[last]  # the same symbol again, after a blank only
        grown[:, BLANK] = NEVER
        # A prefix and the one before it may both be in the beam: then the longer one gets both their paths.
        numbers = {prefix: number for number, prefix in enumerate(self.prefixes)}
        for number, prefix in enumerate(self.prefixes):
            before = numbers.get(prefix[:-1]) if prefix else None
            if before is not None:
                symbol[number] = numpy.logaddexp(symbol[number], grown[before, prefix[-1]])
                grown[before, prefix[-1]] = NEVER
        stay = numpy.logaddexp(blank, symbol) + self.extra
        go = grown + (self.extra[:, None] + self.following)
        chosen = _best(numpy.concatenate([stay, go.ravel()]), self.options.num_beams)
        old, new = chosen[chosen < K], chosen[chosen >= K] - K
        parents, symbols = new // V, new % V
        more = [(*self.prefixes[i], int(c)) for i, c in zip(parents, symbols, strict=True)]
        following = self.following[old]
        if more:
            following = numpy.concatenate([following, _following(more, V, self.options, self.scorer)])
        return _Beam(
            [*(self.prefixes[i] for i in old), *more],
            numpy.concatenate([blank[old], numpy.full(len(new), NEVER)]),
            numpy.concatenate([symbol[old], grown[parents, symbols]]),
            numpy.concatenate([self.extra[old], (self.extra[:, None] + self.following)[parents, symbols]]),
            following,
            self.options,
            self.scorer,
        )


def _following(
    prefixes: list[Prefix], vocabulary_size: int, options: CTCBeamOptions, scorer: Scorer | None
) -> numpy.ndarray:
    """(n, V): what language model and bonus give each symbol after each prefix; at the blank, the end."""
    given = numpy.zeros((len(prefixes), vocabulary_size))
    if scorer is not None:
        given = options.lm_weight * scorer(prefixes)
        if given.shape != (len(prefixes), vocabulary_size) or not (given < numpy.inf).all():
            expected = f"the scorer must give log-probabilities ({len(prefixes)}, {vocabulary_size})"
            raise DataError("ctc_beam_search", expected, got=f"shape {given.shape}, or nan or inf")
    given[:, BLANK + 1 :] += options.length_bonus
    return given


def _best(values: numpy.ndarray, count: int) -> numpy.ndarray:
    """The numbers of the `count` greatest that are possible at all, greatest first; of equals the first."""
    if len(values) > 8 * count:
        floor = numpy.partition(values, len(values) - count)[len(values) - count]
        candidates = numpy.flatnonzero(values >= floor)
    else:
        candidates = numpy.arange(len(values))
    candidates = candidates[values[candidates] > NEVER]
    return candidates[numpy.argsort(-values[candidates], kind="stable")[:count]]
