"""Arguments and results of a kernel: one layer, one direction, whole sequences."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import Weights

Gates: TypeAlias = Any
"""The named tuple of a cell's gate values, as its `CellSpec` names it: LSTMGates, say"""


class Zoneout(NamedTuple):
    """Probabilities that a unit keeps its old value: zoneout (Krueger et al., 2016, arXiv:1606.01305)."""

    hidden: float
    cell: float
    training: bool
    """True: random per unit and step. False: the expectation."""


class Request(NamedTuple):
    """One layer in one direction over whole sequences; time first, whatever the layer's `batch_first`."""

    cell: str
    """The name of its `CellSpec`: "lstm" """
    input: Tensor
    """(T, B, I)"""
    state: Tensor | LSTMState
    """The initial state: h (B, P), or LSTMState(h (B, P), c (B, H))"""
    weights: Weights
    lengths: Tensor | None = None
    """(B,) int64 on the device of `input`, 0 to T; None: T for every row"""
    reverse: bool = False
    """Whether to run from each row's last valid step to its first"""
    hidden_mask: Tensor | None = None
    """(B, P): what h is multiplied by before W_hh (recurrent dropout); None: no dropout"""
    zoneout: Zoneout | None = None
    want_gates: bool = False


class Result(NamedTuple):
    """The results of a kernel, exactly 0 beyond a row's length."""

    output: Tensor
    """(T, B, P): h of every step, at the time of its input in either direction"""
    state: Tensor | LSTMState
    """The state after each row's last step; the initial state for a row of length 0"""
    gates: Gates | None = None
    """(T, B, H) each; None unless requested, and from kernels that do not compute them"""


def valid_steps(request: Request) -> Tensor | None:
    """(T, B, 1) bool: whether a step is within its row's length; None: every step is."""
    if request.lengths is None:
        return None
    times = torch.arange(len(request.input), device=request.input.device)
    return (times.unsqueeze(1) < request.lengths).unsqueeze(-1)
