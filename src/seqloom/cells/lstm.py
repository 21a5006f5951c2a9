r"""Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000):

.. math::

    i_t &= \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi}) \\
    f_t &= \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf}) \\
    g_t &= \tanh(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg}) \\
    o_t &= \sigma(W_{io} x_t + b_{io} + W_{ho} h_{t-1} + b_{ho}) \\
    c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
    h_t &= o_t \odot \tanh(c_t)

With a projection (Sak et al., 2014, arXiv:1402.1128), :math:`h_t = W_{hr} (o_t \odot \tanh(c_t))`.
With layer normalization (Ba et al., 2016, arXiv:1607.06450), :math:`W_i x_t` and :math:`W_h h_{t-1}`,
all four gates together, are each normalized before their bias is added, and so is the :math:`c_t`
within the last tanh.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
from seqloom.cells.projections import Weights, hidden_product, input_product, normalize
from seqloom.cells.refusals import qconfig, refuse_script
from seqloom.errors import DataError

_MISSING = object()


class LSTMState(NamedTuple):
    """What an LSTM carries from step to step; torch's `(h, c)` fits in and out.

    It is made from h and c, or, as a tuple is, from an iterable of both.

    >>> state = LSTMState(torch.ones(1), torch.ones(1))
    >>> type(state)(part * 2 for part in state)
    LSTMState(h=tensor([2.]), c=tensor([2.]))
    """

    h: Tensor
    c: Tensor


def _new_state(cls: type[LSTMState], h: Any, c: Any = _MISSING) -> LSTMState:
    if c is not _MISSING:
        return tuple.__new__(cls, (h, c))
    pair = () if isinstance(h, Tensor) else tuple(h)
    if len(pair) != 2:
        raise TypeError("LSTMState: it is made from h and c, or from an iterable of both.")
    return tuple.__new__(cls, pair)


# A named tuple's body cannot define it.
LSTMState.__new__ = _new_state  # type: ignore[method-assign, assignment]


class LSTMGates(NamedTuple):
    """The gates i, f, o in (0, 1), the candidate g in (-1, 1), and the cell c after the step."""

    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    c: Tensor


def lstm_gates(a: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """i, f, g and o (..., H) from the sum of the products (..., 4 H)."""
    i, f, g, o = a.chunk(4, dim=-1)
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)


def lstm_step(
    a: Tensor, state: LSTMState, w: Weights, mask: Tensor | None = None
) -> tuple[LSTMState, LSTMGates]:
    """One step from the input product `a` (B, 4 H), h (B, P) and c (B, H) to the next state and its gates."""
    h, c = state
    i, f, g, o = lstm_gates(a + hidden_product(h, w, mask))
    c = f * c + i * g
    h = o * torch.tanh(c if w.gain_c is None else normalize(c, w.gain_c, w.shift_c))
    if w.weight_hr is not None:
        h = F.linear(h, w.weight_hr)
    return LSTMState(h, c), LSTMGates(i, f, g, o, c)


@final
class LSTMCell(nn.Module):
    """One step of an LSTM; drop-in for `torch.nn.LSTMCell`.

    Args:
        input_size: I, features of the input.
        hidden_size: H, hidden units.
        bias: whether there are `bias_ih` and `bias_hh`.
        device, dtype: of the parameters.
        layer_norm: normalize the input product, the hidden product and the cell (Ba et al., 2016).

    Raises:
        ConfigError: a size that is no int >= 1.

    >>> cell = LSTMCell(3, 4)
    >>> h, c = cell(torch.zeros(2, 3))
    >>> output, state = cell.step(torch.zeros(2, 3), LSTMState(h, c))
    >>> output.shape, state.c.shape
    (torch.Size([2, 4]), torch.Size([2, 4]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True,
        device: torch.device | str | None = None, dtype: torch.dtype | None = None,
        *, layer_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        set_parameters(self, input_size, hidden_size, bias, layer_norm, 4, device, dtype, has_cell_state=True)

    def reset_parameters(self) -> None:
        """Initialize the parameters as torch.nn does."""
        reset(self)

    def initial_state(self, batch_size: int) -> LSTMState:
        """h and c (B, H) of zeros, on the parameters' device and in their type."""
        return LSTMState(zero_hidden(self, batch_size), zero_hidden(self, batch_size))

    def step(self, input: Tensor, state: tuple[Tensor, Tensor] | list[Tensor]) -> tuple[Tensor, LSTMState]:
        """One step: input (B, I) and (h (B, H), c (B, H)) to (output (B, H), state)."""
        if runs_fused(self, input):
            new = LSTMState(*torch.lstm_cell(input, state, *torch_weights(self)))
        else:
            w = cell_weights(self)
            new, _ = lstm_step(input_product(input, w), LSTMState(*state), w)
        return new.h, new

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> LSTMState:
        """The next (h, c), as torch.nn.LSTMCell: input (B, I) or (I,), hx of (B, H) or (H,); None: zeros.

        Raises:
            DataError: a shape or a type that does not fit.
        """
        if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise DataError("LSTMCell", "the state must be a pair (h, c)", got=type(hx).__name__)
        x, state = batched(self, input, hx or (None, None), ("h of the state", "c of the state"))
        _, new = self.step(x, state)
        return new if input.dim() == 2 else LSTMState(new.h.squeeze(0), new.c.squeeze(0))

    __prepare_scriptable__ = refuse_script
    qconfig = qconfig

    def extra_repr(self) -> str:
        """The arguments, as torch.nn shows them."""
        return cell_description(self)
