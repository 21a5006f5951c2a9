r"""CTC prefix beam search for the most probable texts, with an optional language model.

.. math::

    \mathrm{score}(y) = \log p(y | x) + \alpha \log p_{LM}(y) + \beta |y|

Unlike greedy decoding, it sums over all paths of a text (Graves 2012, "Supervised sequence labelling with
recurrent neural networks", section 7.5; Hannun et al. 2014, arXiv:1408.2873). Every prefix has two sums: over
its paths that end in a blank, and over those that end in its last symbol, because a symbol can be repeated
only after a blank.
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
"""A language model: `scorer(prefixes)` returns log-probabilities (n, V) in nats of the symbol after each
prefix, and at id 0, the blank, of the end of the text. A prefix is scored after the one that it extends, and
every row begins with the empty prefix; so a scorer can cache states."""

IMPOSSIBLE = -numpy.inf
"""Log-probability of paths that do not exist"""


class CTCBeamOptions(NamedTuple):
    """Options of the prefix beam search.

    Fields:
        num_beams: prefixes per step.
        lm_weight: alpha, the weight of the language model's log-probability.
        length_bonus: beta, nats per symbol, against the preference of language models for short texts.
    """

    num_beams: int = 8
    lm_weight: float = 0.0
    length_bonus: float = 0.0


class CTCHypothesis(NamedTuple):
    """A text of the final beam.

    Fields:
        symbols: its symbol ids, without blanks.
        log_probability: log p(y | x) in nats, over its paths that stayed in the beam.
        score: with language model and length bonus; hypotheses are ranked by it.
    """

    symbols: list[int]
    log_probability: float
    score: float


def ctc_beam_search(
    scores: Tensor, lengths: Lengths, options: CTCBeamOptions, scorer: Scorer | None = None
) -> list[list[CTCHypothesis]]:
    """Search for the most probable texts of every row, independently of the other rows and of padding.

    Args:
        scores: (B, T, V) log-probabilities; id 0 is the blank.
        lengths: (B,) valid steps of each row; None: all.
        options: see `CTCBeamOptions`.
        scorer: a language model, see `Scorer`; called only if `options.lm_weight` is above 0.

    Returns:
        For every row at most `num_beams` hypotheses, best first.

    Raises:
        DataError: scores of another shape, or with nan or inf; a length or a scorer that does not fit.
        ConfigError: an option out of its range.

    >>> step = [0.6, 0.4]  # the best path is all blank; the three paths of one symbol together are better
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
    num_steps = check_scores("ctc_beam_search", scores, lengths).tolist()
    steps = scores.detach().double().cpu().numpy()
    if not options.lm_weight:
        scorer = None
    return [_search(row[:length], options, scorer) for row, length in zip(steps, num_steps, strict=True)]


def _search(steps: numpy.ndarray, options: CTCBeamOptions, scorer: Scorer | None) -> list[CTCHypothesis]:
    """Search one row: log-probabilities (T, V)."""
    beam = _Beam.start(steps.shape[1], options, scorer)
    for step in steps:
        beam = beam.advance(step)
    total = numpy.logaddexp(beam.blank, beam.symbol)
    score = total + beam.bonus + beam.next_bonus[:, BLANK]
    order = numpy.argsort(-score, kind="stable")
    return [CTCHypothesis(list(beam.prefixes[i]), float(total[i]), float(score[i])) for i in order]


@final
class _Beam(NamedTuple):
    """The K prefixes of the beam."""

    prefixes: list[Prefix]
    blank: numpy.ndarray
    """(K,) log-probability of the prefix over its paths that end in a blank"""
    symbol: numpy.ndarray
    """(K,) over its paths that end in its last symbol"""
    bonus: numpy.ndarray
    """(K,) language model and length bonus of the prefix"""
    next_bonus: numpy.ndarray
    """(K, V) what they add for every symbol after it; at the blank, for the end of the text"""
    options: CTCBeamOptions
    scorer: Scorer | None

    @staticmethod
    def start(vocabulary_size: int, options: CTCBeamOptions, scorer: Scorer | None) -> _Beam:
        """The empty prefix, as if after a blank."""
        next_bonus = _score_next([()], vocabulary_size, options, scorer)
        zero = numpy.zeros(1)
        return _Beam([()], zero, numpy.full(1, IMPOSSIBLE), zero, next_bonus, options, scorer)

    def advance(self, step: numpy.ndarray) -> _Beam:
        """The best prefixes after one more step with log-probabilities (V,)."""
        K, V = self.next_bonus.shape
        last = numpy.array([prefix[-1] if prefix else BLANK for prefix in self.prefixes])
        index = numpy.arange(K)
        total = numpy.logaddexp(self.blank, self.symbol)
        blank = total + step[BLANK]
        symbol = numpy.where(last == BLANK, IMPOSSIBLE, self.symbol + step[last])
        extended = total[:, None] + step  # (K, V): every prefix with one more symbol
        extended[index, last] = self.blank + step[last]  # the same symbol again, only after a blank
        extended[:, BLANK] = IMPOSSIBLE
        # If a prefix and its extension are both in the beam, the paths of both belong to the extension.
        numbers = {prefix: number for number, prefix in enumerate(self.prefixes)}
        for number, prefix in enumerate(self.prefixes):
            parent = numbers.get(prefix[:-1]) if prefix else None
            if parent is not None:
                symbol[number] = numpy.logaddexp(symbol[number], extended[parent, prefix[-1]])
                extended[parent, prefix[-1]] = IMPOSSIBLE
        extended_bonus = self.bonus[:, None] + self.next_bonus
        scores = numpy.concatenate(
            [numpy.logaddexp(blank, symbol) + self.bonus, (extended + extended_bonus).ravel()]
        )
        best = _find_best(scores, self.options.num_beams)
        old, new = best[best < K], best[best >= K] - K
        parents, symbols = new // V, new % V
        new_prefixes = [(*self.prefixes[i], int(c)) for i, c in zip(parents, symbols, strict=True)]
        next_bonus = self.next_bonus[old]
        if new_prefixes:
            scored = _score_next(new_prefixes, V, self.options, self.scorer)
            next_bonus = numpy.concatenate([next_bonus, scored])
        return _Beam(
            [*(self.prefixes[i] for i in old), *new_prefixes],
            numpy.concatenate([blank[old], numpy.full(len(new), IMPOSSIBLE)]),
            numpy.concatenate([symbol[old], extended[parents, symbols]]),
            numpy.concatenate([self.bonus[old], extended_bonus[parents, symbols]]),
            next_bonus,
            self.options,
            self.scorer,
        )


def _score_next(
    prefixes: list[Prefix], vocabulary_size: int, options: CTCBeamOptions, scorer: Scorer | None
) -> numpy.ndarray:
    """(n, V): language model and length bonus of every symbol after each prefix; at the blank, of the end."""
    bonus = numpy.zeros((len(prefixes), vocabulary_size))
    if scorer is not None:
        bonus = options.lm_weight * scorer(prefixes)
        if bonus.shape != (len(prefixes), vocabulary_size) or not (bonus < numpy.inf).all():
            expected = f"the scorer must return log-probabilities ({len(prefixes)}, {vocabulary_size})"
            raise DataError("ctc_beam_search", expected, got=f"shape {bonus.shape}, or nan or inf")
    bonus[:, BLANK + 1 :] += options.length_bonus
    return bonus


def _find_best(scores: numpy.ndarray, count: int) -> numpy.ndarray:
    """Indices of the `count` greatest possible scores, greatest first; ties in the order of their indices."""
    if len(scores) > 8 * count:
        threshold = numpy.partition(scores, len(scores) - count)[len(scores) - count]
        candidates = numpy.flatnonzero(scores >= threshold)
    else:
        candidates = numpy.arange(len(scores))
    candidates = candidates[scores[candidates] > IMPOSSIBLE]
    return candidates[numpy.argsort(-scores[candidates], kind="stable")[:count]]
