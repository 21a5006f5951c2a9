"""Logits filters: (B, V) to (B, V), for the next token of every row. A banned token has -inf."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BANNED = float("-inf")

# The nucleus is mostly far smaller than a large vocabulary, and sorting 1,024 tokens takes a tenth of the
# time of sorting 32,000. If the nucleus is larger, all tokens are sorted: the result is the same.
NUCLEUS_GUESS = 1024


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Sharpen (below 1) or flatten (above 1) the distribution: softmax(logits / temperature).

    Args:
        logits: (B, V).
        temperature: above 0.

    Returns:
        (B, V): the divided logits, shifted so that the maximum of every row is 0. The shift changes no
        probability, and prevents overflow at a tiny temperature. The division is in float64, where a
        temperature too small for float32 is still above 0.

    Source: Ackley, Hinton and Sejnowski, "A learning algorithm for Boltzmann machines", 1985.

    >>> apply_temperature(torch.tensor([[1.0, 3.0]]), 0.5)
    tensor([[-4.,  0.]])
    """
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    return (shifted.double() / temperature).to(logits.dtype)


def filter_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Top-k filtering: ban all but the `top_k` most probable tokens and those that tie with the last of them.

    Args:
        logits: (B, V).
        top_k: at least 1; V or more bans nothing.

    Source: Fan, Lewis and Dauphin, "Hierarchical neural story generation", ACL 2018.

    >>> filter_top_k(torch.tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[-inf, 3., 2.]])
    """
    if top_k >= logits.shape[-1]:
        return logits
    threshold = logits.topk(top_k, dim=-1).values[:, -1:]
    return logits.masked_fill(logits < threshold, BANNED)


def filter_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Nucleus filtering: ban all but the smallest set of tokens with a probability of at least `top_p`.

    Args:
        logits: (B, V).
        top_p: above 0, at most 1. The most probable token is never banned.

    Source: Holtzman et al., "The curious case of neural text degeneration", ICLR 2020.

    >>> filter_top_p(torch.tensor([[0.1, 0.6, 0.3]]).log(), 0.7).exp()
    tensor([[0.0000, 0.6000, 0.3000]])
    """
    # In float64: over a large vocabulary a float32 sum has rounding errors greater than the tail.
    probabilities = logits.softmax(dim=-1, dtype=torch.float64)
    order = _sort_most_probable(logits, NUCLEUS_GUESS)
    mass = probabilities.gather(-1, order).cumsum(dim=-1)
    if order.shape[-1] < logits.shape[-1]:
        # The guess contains the nucleus if the tokens strictly above its last one reach top_p: of tokens
        # that tie with the last some may be missing, and the result must not depend on which.
        ordered = logits.gather(-1, order)
        if not ((mass >= top_p) & (ordered > ordered[:, -1:])).any(dim=-1).all():
            order = _sort_most_probable(logits, logits.shape[-1])
            mass = probabilities.gather(-1, order).cumsum(dim=-1)
    is_inside = torch.ones_like(mass, dtype=torch.bool)
    is_inside[:, 1:] = mass[:, :-1] < top_p
    nucleus = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, is_inside)
    return logits.masked_fill(~nucleus, BANNED)


def _sort_most_probable(logits: Tensor, count: int) -> Tensor:
    """The `count` most probable tokens, best first; ties in the order of their ids."""
    if count >= logits.shape[-1]:
        return logits.argsort(dim=-1, descending=True, stable=True)
    tokens = logits.topk(count, dim=-1, sorted=False).indices.sort(dim=-1).values
    return tokens.gather(-1, logits.gather(-1, tokens).argsort(dim=-1, descending=True, stable=True))


def penalize_repetition(logits: Tensor, seen: Tensor, repetition_penalty: float) -> Tensor:
    """Make tokens that occurred before less probable: divide their logits if positive, else multiply them.

    Args:
        logits: (B, V).
        seen: (B, V) bool, the tokens that occurred before.
        repetition_penalty: above 1 discourages, below 1 encourages, 1 changes nothing.

    Source: Keskar et al., "CTRL", 2019, section 4.1; the case of negative logits is transformers'.

    >>> penalize_repetition(torch.tensor([[2.0, -2.0, 2.0]]), torch.tensor([[True, True, False]]), 2.0)
    tensor([[ 1., -4.,  2.]])
    """
    penalized = torch.where(logits > 0, logits / repetition_penalty, logits * repetition_penalty)
    return torch.where(seen, penalized, logits)


def ban_repeated_ngrams(logits: Tensor, previous: Sequence[Sequence[int]], size: int) -> Tensor:
    """Ban the tokens that would repeat an n-gram.

    Args:
        logits: (B, V).
        previous: the tokens so far, one sequence of any length per row.
        size: n, at least 1.

    Source: Paulus, Xiong and Socher, "A deep reinforced model for abstractive summarization", 2017,
    section 2.5 (trigrams).

    >>> ban_repeated_ngrams(torch.zeros(1, 4), [[1, 2, 3, 1]], 2)
    tensor([[0., 0., -inf, 0.]])
    """
    rows: list[int] = []
    banned: list[int] = []
    for row, tokens in enumerate(previous):
        completions = find_repeating_tokens(tokens, size)
        rows += [row] * len(completions)
        banned += completions
    if not rows:
        return logits
    index = (torch.tensor(rows, device=logits.device), torch.tensor(banned, device=logits.device))
    return logits.index_put(index, logits.new_tensor(BANNED))


def find_repeating_tokens(tokens: Sequence[int], size: int) -> list[int]:
    """The tokens, in ascending order, with which `tokens` would end in an n-gram that it already contains.

    >>> find_repeating_tokens([1, 2, 9, 1, 3, 1], 2)
    [2, 3]
    """
    count = size - 1
    if len(tokens) < size:
        return []
    start = len(tokens) - count
    tail = tokens[start:]
    # The first token is compared before the slice, because a slice at every position is slow in long rows.
    first = tail[0] if count else None
    return sorted(
        {
            tokens[i + count]
            for i in range(start)
            if count == 0 or (tokens[i] == first and tokens[i : i + count] == tail)
        }
    )
