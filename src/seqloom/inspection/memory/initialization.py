r"""Gates that begin with a memory as long as the lag (Tallec and Ollivier, 2018, arXiv:1804.11188):

.. math:: b_f = \log u, \quad u \sim U(1, T - 1), \quad b_i = -b_f

A forget gate with bias b keeps :math:`\sigma(b)` of the cell at every step, for about :math:`1 + e^b` steps.
torch.nn's biases near 0 keep half of it, so that after 100 steps :math:`10^{-30}` is left of a gradient.
"""

from __future__ import annotations

import torch
from torch import nn

INITIALIZATIONS = ("long-memory", "torch")


def initialize(layer: nn.Module, lag: int) -> None:
    """Draw the gates' biases for memories of up to `lag` steps, and the rest as torch.nn does.

    An LSTM's forget gate and a GRU's update gate keep, and the former's input gate lets in what is forgotten.
    A plain RNN has no gate: its recurrent weights are made orthogonal (Saxe et al., 2014, arXiv:1312.6120),
    which keep the norm of what they multiply.

    Args:
        layer: an `RNN`, `LSTM`, `GRU` or another recurrent layer, one-way and with one layer.
        lag: T, steps.
    """
    H = int(layer.hidden_size)  # type: ignore[arg-type]
    cell = str(layer.cell)
    with torch.no_grad():
        if cell.startswith("rnn"):
            nn.init.orthogonal_(layer.weight_hh_l0)  # type: ignore[arg-type]
            return
        bias_ih, bias_hh = layer.bias_ih_l0, layer.bias_hh_l0
        b = torch.empty(H, device="cpu").uniform_(1, max(lag - 1, 1)).log()
        if cell == "lstm":
            i, f = slice(0, H), slice(H, 2 * H)
            bias_ih[f], bias_hh[f] = b, 0.0  # type: ignore[index]
            bias_ih[i], bias_hh[i] = -b, 0.0  # type: ignore[index]
        elif cell == "gru":
            z = slice(H, 2 * H)
            bias_ih[z], bias_hh[z] = b, 0.0  # type: ignore[index]
