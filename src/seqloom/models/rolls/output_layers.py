r"""Output layers of a frame of keys: independent of one another, or each given those below it.

A frame v of K keys has the probability

.. math:: p(v) = \prod_k p(v_k \mid v_{<k}), \quad p(v_k = 1 \mid v_{<k}) = \sigma(z_k)

which is exact, and all z come from one parallel pass over a frame that is known. Where keys are independent,
z does not depend on v. The others are neural autoregressive distribution estimators (NADE, Larochelle and
Murray, 2011), whose parameters a recurrent state sets, as in RNN-NADE (Boulanger-Lewandowski et al., 2012,
arXiv:1206.6392).
"""

from __future__ import annotations

from typing import Literal, TypeAlias, final

import torch
from torch import Tensor, nn

KeyDependence: TypeAlias = Literal["independent", "joint"]

SILENCE = -3.0
"""Initial logit of a key: it sounds in one frame of twenty."""


@final
class IndependentKeys(nn.Module):
    """z = W h + b: one logit a key, whatever the others do.

    Args:
        input_size: width of the recurrent output.
        num_keys: K.
    """

    def __init__(self, input_size: int, num_keys: int) -> None:
        super().__init__()
        self.output = nn.Linear(input_size, num_keys)
        nn.init.constant_(self.output.bias, SILENCE)

    def forward(self, context: Tensor, frames: Tensor) -> Tensor:
        """Logits (N, K) of context (N, H); the frames are not looked at."""
        del frames
        return self.output(context)


@final
class JointKeys(nn.Module):
    r"""A NADE on the recurrent output h, with direct weights from key to key.

    .. math:: z_k = (B h + b)_k + V_k \cdot \sigma(C h + c + \sum_{j<k} W_j v_j) + \sum_{j<k} D_{kj} v_j

    Args:
        input_size: width of the recurrent output.
        num_keys: K.
        hidden_size: hidden units of the NADE.

    >>> layer = JointKeys(input_size=3, num_keys=4, hidden_size=5)
    >>> layer(torch.randn(2, 3), torch.tensor([[0.0, 1, 0, 1], [0, 0, 0, 0]])).shape
    torch.Size([2, 4])
    """

    def __init__(self, input_size: int, num_keys: int, hidden_size: int) -> None:
        super().__init__()
        self.output = nn.Linear(input_size, num_keys)
        nn.init.constant_(self.output.bias, SILENCE)
        self.hidden = nn.Linear(input_size, hidden_size)
        self.key_weights = nn.Parameter(0.1 * torch.randn(num_keys, hidden_size))
        self.hidden_weights = nn.Parameter(0.1 * torch.randn(num_keys, hidden_size))
        self.direct = nn.Parameter(torch.zeros(num_keys, num_keys))

    def forward(self, context: Tensor, frames: Tensor) -> Tensor:
        """Logits (N, K) of each key, of context (N, H) and the lower keys of frames (N, K)."""
        played = frames.unsqueeze(-1) * self.key_weights
        below = played.cumsum(1) - played
        units = torch.sigmoid(self.hidden(context).unsqueeze(1) + below)
        return self.output(context) + (units * self.hidden_weights).sum(-1) + frames @ self.direct.tril(-1).T


@final
class TiedKeys(nn.Module):
    r"""Logits of keys that each have a context of their own; weights are shared by all, as in a convolution.

    .. math::
        a_k = \mathrm{relu}(A x_k + a + \sum_{j<k} U_{k-j} v_j + N n_k), \quad
        z_k = w \cdot (a_k + \mathrm{relu}(M a_k + m)) + b_k

    where n_k is how many keys below k sound, and whether none does: the terms with v are a NADE whose weights
    depend on the interval between two keys, not on the keys. Tying over pitch is that of Johnson, 2017,
    'Generating polyphonic music using tied parallel networks'.

    Args:
        input_size: width of the context of a key.
        num_keys: K.
        hidden_size: hidden units of a key.
        dependence: `joint`, or `independent` without the terms in v.
    """

    def __init__(self, input_size: int, num_keys: int, hidden_size: int, dependence: KeyDependence) -> None:
        super().__init__()
        self.input = nn.Linear(input_size, hidden_size)
        self.hidden = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, 1, bias=False)
        self.bias = nn.Parameter(torch.full((num_keys,), SILENCE))
        self.intervals: nn.Parameter | None = None
        if dependence == "joint":
            self.intervals = nn.Parameter(torch.zeros(num_keys, hidden_size))
            self.count = nn.Linear(2, hidden_size, bias=False)
            steps = torch.arange(num_keys)
            self.register_buffer("interval", (steps[:, None] - steps).clamp(min=0), persistent=False)

    def forward(self, context: Tensor, frames: Tensor) -> Tensor:
        """Logits (N, K) of each key, of contexts (N, K, C) and the lower keys of frames (N, K)."""
        units = self.input(context)
        if self.intervals is not None:
            units = units + self._of_lower_keys(self.intervals, frames)
        units = torch.relu(units)
        units = units + torch.relu(self.hidden(units))
        return self.output(units).squeeze(-1) + self.bias

    def _of_lower_keys(self, intervals: Tensor, frames: Tensor) -> Tensor:
        """(N, K, hidden_size): what each key hears of the keys below it."""
        upward = torch.cat([torch.zeros_like(intervals[:1]), intervals[1:]])[self.interval]
        from_each = upward.transpose(0, 1).reshape(len(intervals), -1)
        below = frames.cumsum(1) - frames
        counts = torch.stack([below / 4, (below == 0).to(below.dtype)], dim=-1)
        return (frames @ from_each).view(*frames.shape, -1) + self.count(counts)
