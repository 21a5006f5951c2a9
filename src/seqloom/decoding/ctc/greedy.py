r"""CTC greedy decoding, of whole sequences or streaming.

At every step t a CTC model gives a distribution over the symbols and the blank. A path :math:`\pi` is one of
them at every step; :math:`B` maps a path to its text by merging repeats and removing blanks (Graves et al.
2006, "Connectionist temporal classification"):

.. math::

    p(y | x) = \sum_{\pi : B(\pi) = y} \prod_t p(\pi_t | x)

Greedy decoding gives the text of the most probable path.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.decoding.checks import check_logits
from seqloom.errors import DataError
from seqloom.layers.masking import Lengths, check_lengths, valid_mask, zero_padding

BLANK = 0
"""Id of the blank; the symbols of a model begin at 1."""


def ctc_greedy_decode(scores: Tensor, lengths: Lengths = None) -> list[list[int]]:
    """Decode the most probable path of every row.

    Args:
        scores: (B, T, V) logits or log-probabilities; id 0 is the blank.
        lengths: (B,) valid steps of each row; None: all.

    Returns:
        The symbols of every row.

    Raises:
        DataError: scores of another shape, or with nan or inf; a length that does not fit.

    >>> path = torch.tensor([[1, 1, 0, 1, 2, 0]])
    >>> ctc_greedy_decode(torch.nn.functional.one_hot(path).float())
    [[1, 1, 2]]
    """
    return ctc_greedy_decode_step(scores, None, lengths)[0]


@torch.inference_mode()
def ctc_greedy_decode_step(
    scores: Tensor, state: Tensor | None, lengths: Lengths = None
) -> tuple[list[list[int]], Tensor]:
    """Decode the next steps of a stream. Any chunks give what the whole sequence gives.

    Args:
        scores: (B, T, V) logits or log-probabilities of the next steps; T may be 0.
        state: the state that the previous call returned; None at the beginning.
        lengths: (B,) valid steps of each row; None: all.

    Returns:
        The new symbols of every row, and the state: (1, B) int64, the last element of every path.

    Raises:
        DataError: as `ctc_greedy_decode`.

    >>> step = lambda path: torch.nn.functional.one_hot(torch.tensor([path]), 3).float()
    >>> first, state = ctc_greedy_decode_step(step([1, 2]), None)
    >>> second, state = ctc_greedy_decode_step(step([2, 0, 2]), state)
    >>> first, second, state
    ([[1, 2]], [[2]], tensor([[2]]))
    """
    num_steps = check_scores("ctc_greedy_decode", scores, lengths)
    B, T, _ = scores.shape
    if state is None:
        state = torch.full((1, B), BLANK, device=scores.device)
    valid = valid_mask(num_steps, T)
    path = torch.cat([state.mT, scores.argmax(-1)], dim=1)  # the last element before, then these steps
    is_symbol = valid & (path[:, 1:] != path[:, :-1]) & (path[:, 1:] != BLANK)
    rows = [row[mask].tolist() for row, mask in zip(path[:, 1:].cpu(), is_symbol.cpu(), strict=True)]
    return rows, path.gather(1, num_steps[:, None]).mT


def check_scores(where: str, scores: Tensor, lengths: Lengths) -> Tensor:
    """Check scores and lengths, and return the valid steps of every row, (B,) on the device of the scores.

    Raises:
        DataError: scores of another shape, or with nan or inf; a length that does not fit.
    """
    if scores.dim() != 3 or not scores.is_floating_point() or scores.shape[2] < 2:
        expected = "scores must be floats of shape (B, T, V), the blank and at least one symbol"
        raise DataError(where, expected, got=f"{scores.dtype} of shape {tuple(scores.shape)}")
    B, T, _ = scores.shape
    num_steps = torch.full((B,), T, device="cpu") if lengths is None else check_lengths(where, lengths, B, T)
    num_steps = num_steps.to(scores.device)
    check_logits(zero_padding(scores, valid_mask(num_steps, T)).flatten(0, 1))
    return num_steps
