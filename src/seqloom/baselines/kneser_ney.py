r"""An interpolated Kneser-Ney n-gram model: the baseline of every language model.

    p_k(w | u) = max(c_k(u w) - D_k, 0) / c_k(u .) + D_k N(u .) / c_k(u .) \cdot p_{k-1}(w | u')

c_k is the count of the n-gram at the highest order, and below it the number of different tokens that precede
it; N(u .) is the number of different tokens that follow u; u' is u without its first token; D_k = n_1 / (n_1
+ 2 n_2) from the n-grams seen once and twice (Ney, Essen and Kneser 1994; Chen and Goodman 1999, section
2.7). p_0 is uniform.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy

MAX_TOKENS = 5_000_000
"""Tokens counted of a longer text: the baseline is for comparison, not for records."""


class _Order(NamedTuple):
    """The n-grams of one length: sorted keys (context number x V + token), their counts, sums by context."""

    keys: numpy.ndarray
    values: numpy.ndarray
    context_total: numpy.ndarray
    context_followers: numpy.ndarray
    discount: float


@final
class NGram:
    """Count n-grams, and compute the probability of each token of another text.

    Args:
        tokens: (N,) token numbers to count.
        vocabulary_size: V, tokens in the vocabulary.
        order: length of the longest n-gram.

    >>> model = NGram(numpy.array([0, 1, 0, 1, 0, 1, 0, 1, 0]), vocabulary_size=2, order=2)
    >>> model.nats(numpy.array([0, 1, 0, 1])).round(2)
    array([0.06, 0.06, 0.06])
    """

    def __init__(self, tokens: numpy.ndarray, vocabulary_size: int, order: int) -> None:
        self._size = vocabulary_size
        grams = _gram_numbers(tokens[-MAX_TOKENS:].astype(numpy.int64), vocabulary_size, order)
        self._orders = [
            _count(grams[k], grams[k + 1] if k + 1 < len(grams) else None, vocabulary_size)
            for k in range(len(grams))
        ]

    def nats(self, tokens: numpy.ndarray) -> numpy.ndarray:
        """Negative log-probability of tokens[1:], each given the tokens before it: (N - 1,) nats."""
        tokens = tokens.astype(numpy.int64)
        probability = numpy.full(len(tokens), 1.0 / self._size)
        number = numpy.zeros(len(tokens), dtype=numpy.int64)  # of the empty context
        for k, order in enumerate(self._orders):
            context = number if k == 0 else numpy.concatenate([[-1], number[:-1]])
            keys = numpy.where(context < 0, -1, context * self._size + tokens)
            number = numpy.searchsorted(order.keys, keys).clip(max=len(order.keys) - 1)
            is_known = order.keys[number] == keys
            has_context = (context >= 0) & (context < len(order.context_total))
            total = numpy.where(has_context, order.context_total[numpy.where(has_context, context, 0)], 0.0)
            followers = order.context_followers[numpy.where(has_context, context, 0)]
            value = numpy.where(is_known, order.values[number], 0.0)
            with numpy.errstate(invalid="ignore", divide="ignore"):
                mixed = (
                    numpy.maximum(value - order.discount, 0) + order.discount * followers * probability
                ) / total
            probability = numpy.where(total > 0, mixed, probability)
            number = numpy.where(is_known, number, -1)
        return -numpy.log(probability[1:])

    def following(self, context: Sequence[int]) -> numpy.ndarray:
        """Log-probability in nats of every token after `context`: (V,).

        >>> model = NGram(numpy.array([0, 1, 0, 1, 0, 1, 0, 1, 0]), vocabulary_size=2, order=2)
        >>> model.following([0]).round(2)
        array([-2.77, -0.06])
        """
        probability = numpy.full(self._size, 1.0 / self._size)
        for k, order in enumerate(self._orders[: len(context) + 1]):
            gram = self._number(context[len(context) - k :])
            if gram is None or gram >= len(order.context_total):
                break  # longer contexts were not seen either
            first, end = numpy.searchsorted(order.keys, (gram * self._size, (gram + 1) * self._size))
            value = numpy.zeros(self._size)
            value[order.keys[first:end] - gram * self._size] = order.values[first:end]
            total, followers = order.context_total[gram], order.context_followers[gram]
            if total:
                probability = (
                    numpy.maximum(value - order.discount, 0) + order.discount * followers * probability
                ) / total
        return numpy.log(probability)

    def _number(self, gram: Sequence[int]) -> int | None:
        """The number of an n-gram among those of its length; None if it was not seen."""
        number = 0
        for order, token in zip(self._orders, gram, strict=False):
            key = number * self._size + token
            number = int(numpy.searchsorted(order.keys, key))
            if number == len(order.keys) or order.keys[number] != key:
                return None
        return number


def _gram_numbers(tokens: numpy.ndarray, size: int, order: int) -> list[tuple[numpy.ndarray, ...]]:
    """For each length the sorted keys, and for each position the number of the n-gram that ends there."""
    grams, context, ends = [], numpy.zeros(len(tokens), dtype=numpy.int64), tokens
    for _ in range(min(order, len(tokens))):
        keys, first, number, count = numpy.unique(
            context * size + ends, return_index=True, return_inverse=True, return_counts=True
        )
        grams.append((keys, first, number, count))
        context, ends = number[:-1], ends[1:]
    return grams


def _count(gram: tuple[numpy.ndarray, ...], longer: tuple[numpy.ndarray, ...] | None, size: int) -> _Order:
    keys, _, number, count = gram
    if longer is None:
        values = count
    else:  # the n-gram at position p + 1 is the suffix of the longer one at p
        values = numpy.bincount(number[1:][longer[1]], minlength=len(keys))
    once, twice = int((values == 1).sum()), int((values == 2).sum())
    discount = once / (once + 2 * twice) if once and twice else 0.5
    context = keys // size
    contexts = int(context[-1]) + 1
    total = numpy.bincount(context, weights=values, minlength=contexts)
    followers = numpy.bincount(context, weights=values > 0, minlength=contexts)
    return _Order(keys, values.astype(numpy.float64), total, followers, discount)
