"""Recurrent layers by name."""

from __future__ import annotations

from typing import Any

from torch import nn

from seqloom.errors import ConfigError, nearest
from seqloom.layers.recurrent import GRU, LSTM, RNN

CELL_TYPES = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def make_layer(cell_type: str, input_size: int, hidden_size: int, **options: Any) -> nn.Module:
    """A layer of that cell.

    Raises:
        ConfigError: there is no such cell.
    """
    if cell_type not in CELL_TYPES:
        raise ConfigError(
            "RecurrentStack", f"unknown cell type `{cell_type}`", hint=nearest(cell_type, CELL_TYPES)
        )
    return CELL_TYPES[cell_type](input_size, hidden_size, **options)
