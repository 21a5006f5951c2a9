"""The dimension letters of every docstring, and tensor types that use them.

| letter | dimension |
|---|---|
| B | batch: rows, a sequence each |
| T | time: steps of a sequence |
| I | input features of one step |
| H | hidden units (`hidden_size`) |
| P | width of an output: H, or `proj_size` where an LSTM projects |
| G | gates times hidden units: H (RNN), 3 H (GRU), 4 H (LSTM) |
| L | layers times directions |
| V | vocabulary size |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int64

    Tokens: TypeAlias = Int64[Tensor, "B T"]
    """Token numbers, batch first"""

    Logits: TypeAlias = Float[Tensor, "B T V"]
    """Unnormalized log-probabilities of the next token"""
else:  # for readers and type checkers only: nothing is checked at run time
    Tokens = Logits = Tensor
