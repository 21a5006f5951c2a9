r"""Where a forecast starts: a mixture of the values one lag, two lags … before the step that is forecast.

.. math:: m_{t+k} = \sum_j w_j \, y_{t + k - l_j \lceil k / l_j \rceil}, \quad w = \mathrm{softmax}(a)

With l = 1 it is persistence, with l = the season the seasonal naive forecast.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

HEAD_START = 4.0
"""Logit of the first lag in a new model, so that its forecast starts as that lag's."""


def lag_offsets(lags: Sequence[int], horizon: int) -> Tensor:
    """(h, J): how far from the last observed step t the values lie that step t + k repeats, from 0 down.

    >>> lag_offsets([1, 2], 3)
    tensor([[ 0, -1],
            [ 0,  0],
            [ 0, -1]])
    """
    steps = torch.arange(1, horizon + 1).unsqueeze(1)
    periods = torch.tensor(list(lags))
    return steps - periods * torch.div(steps + periods - 1, periods, rounding_mode="floor")


def gather_steps(values: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Values (B, …) at positions of their rows, and which of these there are; those before the start are 0.

    Args:
        values: (B, S).
        positions: (B, …), below S.
    """
    exists = positions >= 0
    chosen = values.gather(1, positions.clamp(min=0).flatten(1)).view(positions.shape)
    return chosen * exists, exists


def mix_lags(values: Tensor, exists: Tensor, logits: Tensor) -> Tensor:
    """The mixture of lagged values (…, J) by logits (…, J); 0 where there is none of them."""
    weights = logits.masked_fill(~exists, -torch.inf).softmax(-1)
    return (weights * values).sum(-1)
