r"""The simple recurrence (Elman, 1990, "Finding structure in time"):

.. math::

    h_t = \phi(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh}), \qquad \phi = \tanh \text{ or } \mathrm{relu}

With layer normalization (Ba et al., 2016, arXiv:1607.06450), :math:`W_{ih} x_t` and
:math:`W_{hh} h_{t-1}` are each normalized before their bias is added.
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import (
    batched,
    cell_description,
    cell_weights,
    check_nonlinearity,
    reset,
    runs_fused,
    set_parameters,
    torch_weights,
    zero_hidden,
)
from seqloom.cells.projections import Weights, hidden_product, input_product
from seqloom.cells.refusals import qconfig, refuse_script


class RNNGates(NamedTuple):
    """A simple recurrence has no gates: its one value is h."""

    h: Tensor


def rnn_tanh_step(a: Tensor, h: Tensor, w: Weights, mask: Tensor | None = None) -> tuple[Tensor, RNNGates]:
    """One step from the input product `a` (B, H) and h (B, H) to the next h and its value."""
    h = torch.tanh(a + hidden_product(h, w, mask))
    return h, RNNGates(h)


def rnn_relu_step(a: Tensor, h: Tensor, w: Weights, mask: Tensor | None = None) -> tuple[Tensor, RNNGates]:
    """As `rnn_tanh_step`, with relu."""
    h = torch.relu(a + hidden_product(h, w, mask))
    return h, RNNGates(h)


@final
class RNNCell(nn.Module):
    """One step of a simple recurrence; drop-in for `torch.nn.RNNCell`.

    Args:
        input_size: I, features of the input.
        hidden_size: H, hidden units.
        bias: whether there are `bias_ih` and `bias_hh`.
        nonlinearity: "tanh" or "relu".
        device, dtype: of the parameters.
        layer_norm: normalize the input product and the hidden product (Ba et al., 2016).

    Raises:
        ConfigError: a size that is no int >= 1, or another nonlinearity.

    >>> cell = RNNCell(3, 4)
    >>> h = cell(torch.zeros(2, 3))
    >>> output, h = cell.step(torch.zeros(2, 3), h)
    >>> output.shape
    torch.Size([2, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        device: torch.device | str | None = None, dtype: torch.dtype | None = None,
        *, layer_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.nonlinearity = check_nonlinearity("RNNCell", nonlinearity)
        set_parameters(self, input_size, hidden_size, bias, layer_norm, 1, device, dtype)

    def reset_parameters(self) -> None:
        """Initialize the parameters as torch.nn does."""
        reset(self)

    def initial_state(self, batch_size: int) -> Tensor:
        """h (B, H) of zeros, on the parameters' device and in their type."""
        return zero_hidden(self, batch_size)

    def step(self, input: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: input (B, I) and h (B, H) to (output (B, H), h)."""
        is_tanh = self.nonlinearity == "tanh"
        if runs_fused(self, input):
            fused = torch.rnn_tanh_cell if is_tanh else torch.rnn_relu_cell
            h = fused(input, state, *torch_weights(self))
        else:
            w = cell_weights(self)
            h, _ = (rnn_tanh_step if is_tanh else rnn_relu_step)(input_product(input, w), state, w)
        return h, h

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next h: input (B, I) or (I,), hx (B, H) or (H,) or None for zeros; as torch.nn.RNNCell.

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
