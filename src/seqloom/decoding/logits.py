"""Filters on the logits of one position: (B, V) in, (B, V) out; a token at -inf is banned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BANNED = float("-inf")

# A nucleus is mostly far smaller than a large vocabulary, and to sort 1024 tokens costs a tenth of
# sorting 32,000. Where it is not, the whole is sorted: the result is the same.
NUCLEUS_GUESS = 1024


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Sharpen (below 1) or flatten (above 1) the distribution: softmax(logits / temperature).

    Args:
        logits: (B, V).
        temperature: above 0.

    Returns:
        (B, V): the logits divided, each row shifted so that its greatest is 0. The shift changes no
        probability, and keeps a tiny temperature from overflowing. Divided in float64, where a temperature
        too small for float32 is still above 0.

    Source: Ackley, Hinton and Sejnowski, "A learning algorithm for Boltzmann machines", 1985.

    >>> apply_temperature(torch.tensor([[1.0, 3.0]]), 0.5)
    tensor([[-4.,  0.]])
    """
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    return (shifted.double() / temperature).to(logits.dtype)


def filter_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Ban all but the `top_k` most probable tokens; tokens equal to the last kept one stay too.

    Args:
        logits: (B, V).
        top_k: at least 1; V or more bans nothing.

    Source: Fan, Lewis and Dauphin, "Hierarchical neural story generation", ACL 2018.

    >>> filter_top_k(torch.tensor([[1.0, 3.0, 2.0]]), 2)
    tensor([[-inf, 3., 2.]])
    """
    if top_k >= logits.shape[-1]:
        return logits
    least = logits.topk(top_k, dim=-1).values[:, -1:]
    return logits.masked_fill(logits < least, BANNED)


def filter_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Ban all but the nucleus: the smallest set of tokens whose probability is at least `top_p`.

    Args:
        logits: (B, V).
        top_p: above 0, at most 1. The most probable token always stays.

    Source: Holtzman et al., "The curious case of neural text degeneration", ICLR 2020.

    >>> filter_top_p(torch.tensor([[0.1, 0.6, 0.3]]).log(), 0.7).exp()
    tensor([[0.0000, 0.6000, 0.3000]])
    """
    # float64: over a large vocabulary the rounding of a float32 sum exceeds the tail it must measure.
    probabilities = logits.softmax(dim=-1, dtype=torch.float64)
    order = _most_probable(logits, NUCLEUS_GUESS)
    mass = probabilities.gather(-1, order).cumsum(dim=-1)
    if order.shape[-1] < logits.shape[-1]:
        # The guess holds the whole nucleus if what is strictly above its last token reaches top_p:
        # tokens equal to the last may be missing from it, and a row must not depend on which.
        ordered = logits.gather(-1, order)
        if not ((mass >= top_p) & (ordered > ordered[:, -1:])).any(dim=-1).all():
            order = _most_probable(logits, logits.shape[-1])
            mass = probabilities.gather(-1, order).cumsum(dim=-1)
    inside = torch.ones_like(mass, dtype=torch.bool)
    inside[:, 1:] = mass[:, :-1] < top_p
    return logits.masked_fill(~torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, inside), BANNED)


def _most_probable(logits: Tensor, count: int) -> Tensor:
    """The numbers of the `count` most probable tokens, best first, the lowest first among equals."""
    if count >= logits.shape[-1]:
        return logits.argsort(dim=-1, descending=True, stable=True)
    tokens = logits.topk(count, dim=-1, sorted=False).indices.sort(dim=-1).values
    return tokens.gather(-1, logits.gather(-1, tokens).argsort(dim=-1, descending=True, stable=True))


def penalize_repetition(logits: Tensor, seen: Tensor, repetition_penalty: float) -> Tensor:
    """Make tokens that came before less probable: positive logits divided, negative ones multiplied.

    Args:
        logits: (B, V).
        seen: (B, V) bool: the tokens that came before.
        repetition_penalty: above 1 discourages, below 1 encourages, 1 changes nothing.

    Source: Keskar et al., "CTRL", 2019, section 4.1; the case of negative logits is transformers'.

    >>> penalize_repetition(torch.tensor([[2.0, -2.0, 2.0]]), torch.tensor([[True, True, False]]), 2.0)
    tensor([[ 1., -4.,  2.]])
    """
    penalized = torch.where(logits > 0, logits / repetition_penalty, logits * repetition_penalty)
    return torch.where(seen, penalized, logits)


def ban_repeated_ngrams(logits: Tensor, previous: Sequence[Sequence[int]], size: int) -> Tensor:
    """Ban the tokens that would complete an n-gram for the second time.

    Args:
        logits: (B, V).
        previous: the tokens before this position, one sequence of any length per row.
        size: n, at least 1.

    Source: Paulus, Xiong and Socher, "A deep reinforced model for abstractive summarization", 2017,
    section 2.5 (trigrams).

    >>> ban_repeated_ngrams(torch.zeros(1, 4), [[1, 2, 3, 1]], 2)
    tensor([[0., 0., -inf, 0.]])
    """
    rows: list[int] = []
    banned: list[int] = []
    for row, tokens in enumerate(previous):
        followers = find_ngram_followers(tokens, size)
        rows += [row] * len(followers)
        banned += followers
    if not rows:
        return logits
    index = (torch.tensor(rows, device=logits.device), torch.tensor(banned, device=logits.device))
    return logits.index_put(index, logits.new_tensor(BANNED))


def find_ngram_followers(tokens: Sequence[int], size: int) -> list[int]:
    """The tokens that have followed the last `size - 1` tokens before, ascending.

    >>> find_ngram_followers([1, 2, 9, 1, 3, 1], 2)
    [2, 3]
    """
    count = size - 1
    if len(tokens) < size:
        return []
    start = len(tokens) - count
    tail = tokens[start:]
    # Compare one token before the slice: a slice per position would make long rows slow.
    first = tail[0] if count else None
    return sorted(
        {
            tokens[i + count]
            for i in range(start)
            if count == 0 or (tokens[i] == first and tokens[i : i + count] == tail)
        }
    )
