"""Recurrent layers over whole sequences: RNN, LSTM, GRU as torch.nn's, and a layer of any cell."""

from seqloom.cells.spec import CELL_TYPES
from seqloom.layers.recurrent.generic import LAYER_CLASSES, CellType, Recurrent, make_layer
from seqloom.layers.recurrent.layer import GRU, LSTM, RNN

__all__ = ["CELL_TYPES", "GRU", "LAYER_CLASSES", "LSTM", "RNN", "CellType", "Recurrent", "make_layer"]
