r"""The gated recurrent unit (Cho et al., 2014, arXiv:1406.1078), its reset gate after the product as in
cuDNN and torch (Cho et al. have it before):

.. math::

    r_t &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) \\
    z_t &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}) \\
    n_t &= \tanh(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn})) \\
    h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}

With layer normalization (Ba et al., 2016, arXiv:1607.06450), :math:`W_i x_t` and :math:`W_h h_{t-1}` are
each normalized before their bias is added, r and z together and n apart, as in that paper.
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import (
    batched,
    cell_description,
    cell_weights,
    reset,
    runs_fused,
    set_parameters,
    torch_weights,
    zero_hidden,
)
from seqloom.cells.projections import Weights, hidden_product, input_product
from seqloom.cells.refusals import qconfig, refuse_script

NORM_BLOCKS = (2, 1)
"""Layer normalization takes r and z together, and n alone."""


class GRUGates(NamedTuple):
    """The gates r and z in (0, 1), and the candidate n in (-1, 1)."""

    r: Tensor
    z: Tensor
    n: Tensor


def gru_gates(a: Tensor, b: Tensor) -> GRUGates:
    """r, z and n (..., H) from the input product `a` and the hidden product `b` (..., 3 H)."""
    a_r, a_z, a_n = a.chunk(3, dim=-1)
    b_r, b_z, b_n = b.chunk(3, dim=-1)
    r = torch.sigmoid(a_r + b_r)
    z = torch.sigmoid(a_z + b_z)
    n = torch.tanh(a_n + r * b_n)
    return GRUGates(r, z, n)


def gru_step(a: Tensor, h: Tensor, w: Weights, mask: Tensor | None = None) -> tuple[Tensor, GRUGates]:
    """One step from the input product `a` (B, 3 H) and h (B, H) to the next h and its gates."""
    r, z, n = gru_gates(a, hidden_product(h, w, mask, NORM_BLOCKS))
    h = (1 - z) * n + z * h
    return h, GRUGates(r, z, n)


@final
class GRUCell(nn.Module):
    """One step of a GRU; drop-in for `torch.nn.GRUCell`.

    Args:
        input_size: I, features of the input.
        hidden_size: H, hidden units.
        bias: whether there are `bias_ih` and `bias_hh`.
        device, dtype: of the parameters.
        layer_norm: normalize the input product and the hidden product (Ba et al., 2016).

    Raises:
        ConfigError: a size that is no int >= 1.

    >>> cell = GRUCell(3, 4)
    >>> h = cell(torch.zeros(2, 3))
    >>> output, h = cell.step(torch.zeros(2, 3), h)
    >>> output.shape
    torch.Size([2, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True,
        device: torch.device | str | None = None, dtype: torch.dtype | None = None,
        *, layer_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        set_parameters(self, input_size, hidden_size, bias, layer_norm, 3, device, dtype)

    def reset_parameters(self) -> None:
        """Initialize the parameters as torch.nn does."""
        reset(self)

    def initial_state(self, batch_size: int) -> Tensor:
        """h (B, H) of zeros, on the parameters' device and in their type."""
        return zero_hidden(self, batch_size)

    def step(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: input (B, I) and h (B, H) to (output (B, H), h)."""
        if runs_fused(self, input):
            h = torch.gru_cell(input, state, *torch_weights(self))
        else:
            w = cell_weights(self)
            h, _ = gru_step(input_product(input, w, NORM_BLOCKS), state, w)
        return h, h

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next h: input (B, I) or (I,), hx (B, H) or (H,) or None for zeros; as torch.nn.GRUCell.

        Raises:
            DataError: a shape or a type that does not fit.
        """
        x, (h,) = batched(self, input, (hx,))
        h, _ = self.step(x, h)
        return h if input.dim() == 2 else h.squeeze(0)

    __prepare_scriptable__ = refuse_script
    qconfig = qconfig

    def extra_repr(self) -> str:
        """The arguments, as torch.nn shows them."""
        return cell_description(self)
