r"""Output layers of a frame of keys: independent of one another, or each given those below it.

A frame v of K keys has the probability

.. math:: p(v) = \prod_k p(v_k \mid v_{<k}), \quad p(v_k = 1 \mid v_{<k}) = \sigma(z_k)

which is exact, and all z come from one parallel pass over a frame that is known. Where keys are independent,
z does not depend on v. The others are neural autoregressive distribution estimators (NADE, Larochelle and
Murray, 2011), whose parameters a recurrent state sets, as in RNN-NADE (Boulanger-Lewandowski et al., 2012,
arXiv:1206.6392).
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, final

import torch
from torch import Tensor, nn

KeyDependence: TypeAlias = Literal["independent", "joint"]

SILENCE = -3.0
"""Initial logit of a key: it sounds in one frame of twenty."""


Units: TypeAlias = tuple[Tensor, ...]
"""What an output layer knows of the keys it has yet to decide; the first tensor is (N, K, …)"""


class OutputLayer(Protocol):
    """What every output layer does: a whole frame that is known in one pass, or key by key as they are drawn.

    `logits(units)` are those of `forward`, where `units` are `start(context)` and then `hear` was called for
    every key that sounds, from the lowest to the highest.
    """

    def __call__(self, context: Tensor, frames: Tensor) -> Tensor:
        """Logits (N, K) of frames (N, K) after contexts (N, …)."""
        ...

    def start(self, context: Tensor) -> Units:
        """The units of contexts (N, …), before any key sounds."""
        ...

    def hear(self, units: Units, keys: Tensor) -> Units:
        """The units once a key sounds in every row: its number (N,), or K for none."""
        ...

    def logits(self, units: Units) -> Tensor:
        """Logits (N, K); those above the keys that sound are right."""
        ...


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

    def start(self, context: Tensor) -> Units:
        """The logits."""
        return (self.output(context),)

    def hear(self, units: Units, keys: Tensor) -> Units:
        """Nothing changes."""
        del keys
        return units

    def logits(self, units: Units) -> Tensor:
        """They are the units."""
        return units[0]


@final
class JointKeys(nn.Module):
    r"""A NADE on the recurrent output h, with direct weights from key to key.

    .. math:: z_k = (B h + b)_k + V_k \cdot \sigma(C h + c + \sum_{j<k} W_j v_j) + \sum_{j<k} D_{kj} v_j

    The hidden units change at keys that sound only: a frame of four notes has five sets of them, not 88.

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
        direct = self.output(context) + frames @ self.direct.tril(-1).T
        sounds = frames > 0
        notes_below = sounds.cumsum(1) - sounds.long()
        most_notes = int(sounds.sum(1).max()) if len(frames) else 0
        numbers = torch.arange(most_notes + 1, device=frames.device).unsqueeze(1)
        lowest_notes = frames.unsqueeze(1) * (notes_below.unsqueeze(1) < numbers)  # (N, notes + 1, K)
        hidden = self.hidden(context).unsqueeze(1) + lowest_notes @ self.key_weights
        by_notes = hidden.sigmoid() @ self.hidden_weights.T
        return direct + by_notes.gather(1, notes_below.unsqueeze(1)).squeeze(1)

    def start(self, context: Tensor) -> Units:
        """What goes into the hidden units of each key, and its logit without them."""
        hidden = self.hidden(context).unsqueeze(1).expand(-1, len(self.direct), -1)
        return hidden, self.output(context)

    def hear(self, units: Units, keys: Tensor) -> Units:
        """Add W_j and D_kj for every k above the key j."""
        hidden, direct = units
        numbers = torch.arange(len(self.direct), device=keys.device)
        is_above = numbers > keys.unsqueeze(1)
        number = keys.clamp(max=len(self.direct) - 1)
        hidden = hidden + self.key_weights[number].unsqueeze(1) * is_above.unsqueeze(-1)
        return hidden, direct + self.direct.T[number] * is_above

    def logits(self, units: Units) -> Tensor:
        """As in `forward`."""
        hidden, direct = units
        return direct + (hidden.sigmoid() * self.hidden_weights).sum(-1)


@final
class TiedKeys(nn.Module):
    r"""Logits of keys that each have a context of their own; weights are shared by all, as in a convolution.

    .. math::
        a_k = \mathrm{relu}(A x_k + a + \sum_{j<k} (U_{k-j} + u) v_j), \quad
        z_k = w \cdot (a_k + \mathrm{relu}(M a_k + m)) + b_k

    The terms with v are a NADE whose weights depend on the interval between two keys, not on the keys: U is
    of an interval, u counts keys. Tying over pitch is that of Johnson, 2017, 'Generating polyphonic music
    using tied parallel networks'.

    Args:
        input_size: width of the context of a key.
        num_keys: K.
        hidden_size: hidden units of a key.
        dependence: `joint`, or `independent` without the terms in v.
    """

    interval: Tensor

    def __init__(self, input_size: int, num_keys: int, hidden_size: int, dependence: KeyDependence) -> None:
        super().__init__()
        self.input = nn.Linear(input_size, hidden_size)
        self.hidden = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, 1, bias=False)
        self.bias = nn.Parameter(torch.full((num_keys,), SILENCE))
        self.intervals: nn.Parameter | None = None
        if dependence == "joint":
            self.intervals = nn.Parameter(torch.zeros(num_keys, hidden_size))
            self.below = nn.Parameter(torch.zeros(hidden_size))
            numbers = torch.arange(num_keys)
            self.register_buffer("interval", (numbers - numbers[:, None]).clamp(min=0), persistent=False)

    def forward(self, context: Tensor, frames: Tensor) -> Tensor:
        """Logits (N, K) of each key, of contexts (N, K, C) and the lower keys of frames (N, K)."""
        units = self.input(context)
        if self.intervals is not None:
            from_each = self._upward(self.intervals)[self.interval].flatten(1)
            units = units + (frames @ from_each).view_as(units)
        return self.logits((units,))

    def start(self, context: Tensor) -> Units:
        """A x + a, and what a key adds to those above it by their interval."""
        units = self.input(context)
        return (units,) if self.intervals is None else (units, self._upward(self.intervals))

    def hear(self, units: Units, keys: Tensor) -> Units:
        """Add U and u for every interval upward from the keys."""
        if self.intervals is None:
            return units
        values, upward = units
        numbers = torch.arange(values.shape[1], device=keys.device)
        return values + upward[(numbers - keys.unsqueeze(1)).clamp(min=0)], upward

    def logits(self, units: Units) -> Tensor:
        """As in `forward`."""
        values = units[0].relu()
        values = values + self.hidden(values).relu()
        return self.output(values).squeeze(-1) + self.bias

    def _upward(self, intervals: Tensor) -> Tensor:
        """(K, hidden_size) of the intervals 0, 1, …; a key does not hear itself."""
        return torch.cat([torch.zeros_like(intervals[:1]), intervals[1:] + self.below])
