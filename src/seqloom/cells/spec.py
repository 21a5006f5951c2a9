"""The table of recurrent cells: all that layers, kernels and models need to know of a cell.

A new cell is its own file and one line in `CELLS`. Layers, the reference kernel, models, configurations and
the command line then know it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from seqloom.cells.gru import NORM_BLOCKS, GRUGates, gru_step
from seqloom.cells.lstm import LSTMGates, lstm_step
from seqloom.cells.rnn import RNNGates, rnn_relu_step, rnn_tanh_step


class CellSpec(NamedTuple):
    """One recurrent cell."""

    name: str
    """What kernels call it: "lstm", "rnn_tanh" """
    step: Callable[..., tuple[Any, Any]]
    """From input product (B, G), state, weights and dropout mask to the next state and its gates"""
    gates: type[Any]
    """The named tuple of its gate values"""
    num_gates: int
    """Blocks of H rows in weight_ih and weight_hh; G is num_gates times H"""
    cell_type: str
    """What configurations call it; the two RNNs share "rnn" """
    has_cell_state: bool = False
    """Whether its state is LSTMState(h, c), not h alone"""
    norm_blocks: tuple[int, ...] = (1,)
    """Which parts of a product layer normalization takes together, in gates; see `projections.normalize`"""
    separate_bias: tuple[str, ...] = ()
    """Gates whose hidden bias cannot be added to the input bias: the hidden product is scaled first"""
    num_saved_values: int = 0
    """Values of a unit and step that the native kernel saves for backward, the gates first; 0: the output is
    enough"""
    torch_operator: str | None = None
    """torch's operator for sequences; None: torch has none"""
    native_id: int | None = None
    """The cell's number in csrc/include/recurrence_api.h; None: there is no native kernel"""
    keeping_gates: tuple[tuple[str, int], ...] = ()
    """Gates whose bias sets for how long a unit keeps its state: with 1 it does so open, with -1 shut"""


CELLS = {
    spec.name: spec
    for spec in (
        CellSpec("rnn_tanh", rnn_tanh_step, RNNGates, 1, "rnn", torch_operator="rnn_tanh", native_id=0),
        CellSpec("rnn_relu", rnn_relu_step, RNNGates, 1, "rnn", torch_operator="rnn_relu", native_id=1),
        CellSpec(
            "lstm", lstm_step, LSTMGates, 4, "lstm", has_cell_state=True,
            num_saved_values=5, torch_operator="lstm", native_id=2, keeping_gates=(("f", 1), ("i", -1)),
        ),
        CellSpec(
            "gru", gru_step, GRUGates, 3, "gru", norm_blocks=NORM_BLOCKS, separate_bias=("n",),
            num_saved_values=4, torch_operator="gru", native_id=3, keeping_gates=(("z", 1),),
        ),
    )
}  # fmt: skip
"""Every cell by its name"""

CELL_TYPES = tuple(dict.fromkeys(spec.cell_type for spec in CELLS.values()))
"""What configurations may say: "rnn", "lstm", "gru" """

GATED_CELL_TYPES = tuple(dict.fromkeys(spec.cell_type for spec in CELLS.values() if spec.keeping_gates))
"""Those whose gates can keep the state: "lstm", "gru" """
