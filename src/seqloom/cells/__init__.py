"""Recurrent cells, a file each: equation, gates and one step. `spec` is the table of them."""

from __future__ import annotations

from seqloom.cells.gru import GRUCell, GRUGates
from seqloom.cells.lstm import LSTMCell, LSTMGates, LSTMState
from seqloom.cells.rnn import RNNCell, RNNGates

__all__ = ["GRUCell", "GRUGates", "LSTMCell", "LSTMGates", "LSTMState", "RNNCell", "RNNGates"]
