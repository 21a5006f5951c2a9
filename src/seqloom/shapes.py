"""The one legend of dimension letters, and the tensor types that are written with them.

| letter | dimension |
|---|---|
| B | batch: sequences side by side |
| T | time: steps of a sequence |
| I | input features of one step |
| H | hidden units (`hidden_size`) |
| P | width of an output: H, or `proj_size` where an LSTM projects |
| G | gates times hidden units: H (RNN), 3 H (GRU), 4 H (LSTM) |
| L | layers times directions |
| V | vocabulary size |
"""

from __future__ import annotations

from typing import TypeAlias

from jaxtyping import Float, Int64
from torch import Tensor

Tokens: TypeAlias = Int64[Tensor, "B T"]
"""Token numbers, batch first, as text is read."""

Logits: TypeAlias = Float[Tensor, "B T V"]
"""Unnormalized log-probabilities of the next token."""
