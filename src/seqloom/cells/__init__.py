"""One recurrence a file: its equation, its parameters, one step."""

from __future__ import annotations

from seqloom.cells.gru import GRUCell, GRUGates
from seqloom.cells.lstm import LSTMCell, LSTMGates, LSTMState
from seqloom.cells.rnn import RNNCell, RNNGates

__all__ = ["GRUCell", "GRUGates", "LSTMCell", "LSTMGates", "LSTMState", "RNNCell", "RNNGates"]
