"""What a kernel is asked for, and what it gives back: one layer, one direction, one whole sequence."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import Weights

Gates: TypeAlias = Any
"""The named tuple of a cell's gate values, as its `CellSpec` names it: LSTMGates, say"""


class Zoneout(NamedTuple):
    """Zoneout (Krueger et al., 2016, arXiv:1606.01305): the probability that a unit keeps its value."""

    hidden: float
    cell: float
    training: bool
    """True: random per unit and step. False: the expectation."""


class Request(NamedTuple):
    """One layer, one direction, one whole sequence. Time first, whatever the layer's `batch_first`."""

    cell: str
    """The name of its `CellSpec`: "lstm" """
    input: Tensor
    """(T, B, I)"""
    state: Tensor | LSTMState
    """What the recurrence starts from: h (B, P), or LSTMState(h (B, P), c (B, H))"""
    weights: Weights
    lengths: Tensor | None = None
    """(B,) int64 on the device of `input`, each 0 to T; None: every row has T steps"""
    reverse: bool = False
    """From each row's own last step to its first"""
    hidden_mask: Tensor | None = None
    """(B, P): multiplies h wherever W_hh does (recurrent dropout); None: nothing"""
    zoneout: Zoneout | None = None
    want_gates: bool = False


class Result(NamedTuple):
    """What a kernel gives back. Everything beyond a row's length is exactly 0."""

    output: Tensor
    """(T, B, P): h of every step, each at its own time, in either direction"""
    state: Tensor | LSTMState
    """The state after the row's last step taken; of a row of length 0, the one it started from"""
    gates: Gates | None = None
    """Each (T, B, H); None unless the request wants them and the kernel gives them"""
