r"""Connectionist temporal classification, read greedily: whole, or step by step.

A model says at every step t how probable each symbol is, and the blank. A path has one of them at each step;
the text that it stands for is the path with repeats joined and blanks left out (Graves et al. 2006,
"Connectionist temporal classification"):

.. math::

    p(y | x) = \sum_{\pi : B(\pi) = y} \prod_t p(\pi_t | x)

Greedy decoding takes the text of the one most probable path.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.decoding.checks import refuse_non_numbers
from seqloom.errors import DataError
from seqloom.layers.masking import Lengths, check_lengths

BLANK = 0
"""The number that stands for no symbol; a model's symbols begin at 1."""


def greedy_ctc(scores: Tensor, lengths: Lengths = None) -> list[list[int]]:
    """The text of the most probable path of each row.

    Args:
        scores: (B, T, V) logits or log-probabilities of each step; number 0 is the blank.
        lengths: (B,) the real steps of each row; None: all.

    Returns:
        For each row its symbols.

    Raises:
        DataError: scores of another shape, or with nan or inf; a length that does not fit.

    >>> path = torch.tensor([[1, 1, 0, 1, 2, 0]])
    >>> greedy_ctc(torch.nn.functional.one_hot(path).float())
    [[1, 1, 2]]
    """
    return greedy_ctc_step(scores, None, lengths)[0]


@torch.inference_mode()
def greedy_ctc_step(
    scores: Tensor, state: Tensor | None, lengths: Lengths = None
) -> tuple[list[list[int]], Tensor]:
    """The symbols of the next steps: a sequence in any chunks gives what it gives whole.

    Args:
        scores: (B, T, V) of the next steps; T may be 0.
        state: what the call before gave; None at the beginning.
        lengths: (B,) the real steps of each row; None: all.

    Returns:
        For each row its new symbols, and the state: (1, B) int64, what each row's path ended with.

    >>> step = lambda path: torch.nn.functional.one_hot(torch.tensor([path]), 3).float()
    >>> first, state = greedy_ctc_step(step([1, 2]), None)
    >>> second, state = greedy_ctc_step(step([2, 0, 2]), state)
    >>> first, second, state
    ([[1, 2]], [[2]], tensor([[2]]))
    """
    real = check_scores("greedy_ctc", scores, lengths)
    B, T, _ = scores.shape
    if state is None:
        state = torch.full((1, B), BLANK, device=scores.device)
    inside = torch.arange(T, device=scores.device) < real[:, None]
    path = torch.cat([state.mT, scores.argmax(-1)], dim=1)  # what came before, then these steps
    kept = inside & (path[:, 1:] != path[:, :-1]) & (path[:, 1:] != BLANK)
    rows = [row[keep].tolist() for row, keep in zip(path[:, 1:].cpu(), kept.cpu(), strict=True)]
    return rows, path.gather(1, real[:, None]).mT


def check_scores(where: str, scores: Tensor, lengths: Lengths) -> Tensor:
    """See that scores and lengths fit; the lengths (B,) on the device of the scores.

    Raises:
        DataError: they don't.
    """
    if scores.dim() != 3 or not scores.is_floating_point() or scores.shape[2] < 2:
        expected = "scores must be floats of shape (B, T, V), the blank and at least one symbol"
        raise DataError(where, expected, got=f"{scores.dtype} of shape {tuple(scores.shape)}")
    B, T, _ = scores.shape
    if lengths is None:
        real = torch.full((B,), T)
    else:
        real = check_lengths(where, lengths, B, T)
    real = real.to(scores.device)
    beyond = torch.arange(T, device=scores.device)[None, :, None] >= real[:, None, None]
    refuse_non_numbers(scores.masked_fill(beyond, 0.0).flatten(0, 1))
    return real
