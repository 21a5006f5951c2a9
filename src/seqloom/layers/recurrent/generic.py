"""A layer of any cell of the table (`cells/spec.py`), and `make_layer`: the layer of a cell type by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack, final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from seqloom.cells.refusals import qconfig, refuse_script
from seqloom.cells.spec import CELL_TYPES, CELLS
from seqloom.errors import ConfigError, nearest
from seqloom.layers.masking import Lengths
from seqloom.layers.recurrent import forward as sequence
from seqloom.layers.recurrent import parameters
from seqloom.layers.recurrent.layer import GRU, LSTM, RNN
from seqloom.layers.recurrent.options import LSTMOptions
from seqloom.layers.recurrent.parameters import Device, Shape

if TYPE_CHECKING:
    CellType: TypeAlias = str
else:
    CellType: TypeAlias = Literal[CELL_TYPES]
"""One of `CELL_TYPES`; configurations validate against it."""

TORCH_LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
"""The cell types that have a class of their own, with the arguments of torch.nn's"""


@final
class Recurrent(nn.Module):
    """A recurrent layer of any cell of the table, with all that `RNN`, `LSTM` and `GRU` can do.

    Args:
        cell: the name of a `CellSpec`, as in `seqloom.cells.spec.CELLS`.
        input_size: I, features of a step.
        hidden_size: H, hidden units of a layer and direction.
        num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as of `GRU`.
        options: as of `GRU`; those of `LSTM` for a cell with a cell state.

    Raises:
        ConfigError: a cell that does not exist; an argument of another type or out of its range, or an option
            that does not exist.

    >>> layer = Recurrent("gru", 3, 4, batch_first=True)
    >>> output, h = layer(torch.randn(2, 5, 3), lengths=[5, 2])
    >>> output.shape, h.shape, bool((output[1, 2:] == 0).all())
    (torch.Size([2, 5, 4]), torch.Size([1, 2, 4]), True)
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
        **options: Unpack[LSTMOptions],
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ConfigError("Recurrent", "cell must name a cell", got=cell, hint=nearest(str(cell), CELLS))
        shape = Shape(
            cell.upper(), input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional
        )
        parameters.build(self, shape, device, dtype, options)

    def forward(
        self, input: Tensor | PackedSequence, hx: Any = None, lengths: Lengths = None
    ) -> tuple[Any, Any]:
        """Run whole sequences; as `GRU.forward`, or as `LSTM.forward` for a cell with a cell state."""
        return sequence.forward(self, input, hx, lengths)

    step = sequence.step
    trace = sequence.trace
    choice = sequence.choice
    initial_state = parameters.initial_state
    reset_parameters = parameters.reset
    flatten_parameters = parameters.flatten
    all_weights = property(parameters.all_weights)
    __prepare_scriptable__ = refuse_script
    qconfig = qconfig

    def extra_repr(self) -> str:
        """The arguments, as torch.nn shows them."""
        return f"{self.cell}, {parameters.description(self)}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Recurrent:
        super()._apply(fn, recurse)
        parameters.flatten(self)
        return self


LAYER_CLASSES = (RNN, LSTM, GRU, Recurrent)
"""Every recurrent layer of seqloom, for `isinstance`"""


def make_layer(cell_type: str, input_size: int, hidden_size: int, **options: Any) -> nn.Module:
    """The recurrent layer of a cell type: an `RNN`, `LSTM` or `GRU`, or a `Recurrent` for any other cell.

    Args:
        cell_type: one of `CELL_TYPES`, as configurations have it.
        input_size: I, features of a step.
        hidden_size: H, hidden units of a layer and direction.
        options: further arguments of the layer, by name.

    Raises:
        ConfigError: a cell type that does not exist, or an argument that the layer refuses.

    >>> make_layer("gru", 3, 4, bidirectional=True)
    GRU(3, 4, bidirectional=True)
    """
    if cell_type not in CELL_TYPES:
        expected = f"cell_type must be one of {', '.join(CELL_TYPES)}"
        raise ConfigError("make_layer", expected, got=cell_type)
    if cell_type in TORCH_LAYERS:
        return TORCH_LAYERS[cell_type](input_size, hidden_size, **options)
    return Recurrent(cell_type, input_size, hidden_size, **options)
