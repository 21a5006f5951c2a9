"""RNN, LSTM and GRU over whole sequences: drop-in for torch.nn's, and more."""

from seqloom.layers.recurrent.layer import GRU, LSTM, RNN

__all__ = ["GRU", "LSTM", "RNN"]
