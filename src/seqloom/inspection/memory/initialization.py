"""Layers that begin with a memory as long as the lag."""

from __future__ import annotations

from torch import nn

from seqloom.cells.spec import CELLS
from seqloom.layers.recurrent.parameters import keep_for_steps, make_orthogonal

INITIALIZATIONS = ("long-memory", "torch")


def initialize(layer: nn.Module, lag: int) -> None:
    """Draw the gates' biases for memories of up to `lag` steps, as the option `chrono_init` of a layer does.

    A plain RNN has no gate that keeps: its recurrent weights are made orthogonal, which keep the norm of what
    they multiply.

    Args:
        layer: an `RNN`, `LSTM`, `GRU` or another recurrent layer, one-way and with one layer.
        lag: T, steps.
    """
    if CELLS[str(layer.cell)].keeping_gates:
        keep_for_steps(layer, max(lag, 2))
    else:
        make_orthogonal(layer)
