"""The cell, step by step: an LSTM's and a GRU's step as a picture with that step's own numbers."""

from seqloom.inspection.cells.steps import CELL_NAMES, cell_stepper

__all__ = ["CELL_NAMES", "cell_stepper"]
