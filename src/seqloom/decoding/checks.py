"""Checks of what decoding starts from: logits, state and options."""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.decoding.options import DecodingOptions
from seqloom.errors import ConfigError, DataError
from seqloom.state import State


def check_inputs(who: str, logits: Tensor, state: State, options: DecodingOptions) -> None:
    """Check the shape of logits and state, and that stop tokens are in the vocabulary.

    Raises:
        DataError: logits that are not (B, V) floats, or a state of another batch size.
        ConfigError: a stop token outside the vocabulary.
    """
    if logits.dim() != 2 or 0 in logits.shape or not logits.is_floating_point():
        raise DataError(
            who,
            "logits must be floats of shape (B, V), those after the last token of the prompt",
            got=f"{logits.dtype} of shape {tuple(logits.shape)}",
        )
    check_state(who, state, logits.shape[0])
    sequence_tokens = (token for sequence in options.stop_sequences for token in sequence)
    for token in (*options.stop_tokens, *sequence_tokens):
        if token >= logits.shape[1]:
            raise ConfigError(
                who, f"stop tokens must be below {logits.shape[1]}, the size of the vocabulary", got=token
            )


def check_state(who: str, state: State, batch_size: int, name: str = "state") -> None:
    """Check that every tensor of a state has `batch_size` rows in dimension 1.

    Raises:
        DataError: with the name of the tensor, such as `state[0].h`.
    """
    if isinstance(state, Tensor):
        if state.dim() < 2 or state.shape[1] != batch_size:
            raise DataError(
                who,
                f"{name} must have {batch_size} rows in dimension 1, as many as the batch",
                got=f"shape {tuple(state.shape)}",
            )
        return
    if not isinstance(state, tuple):
        raise DataError(who, f"{name} must be a tensor or a tuple of states", got=type(state).__name__)
    fields = getattr(state, "_fields", None)
    for index, part in enumerate(state):
        check_state(who, part, batch_size, f"{name}.{fields[index]}" if fields else f"{name}[{index}]")


def check_logits(logits: Tensor) -> None:
    """Check that logits have no nan or +inf; -inf is allowed, and marks a banned token.

    Raises:
        DataError: with the first such value and its row.
    """
    invalid = ~(logits < torch.inf)
    if invalid.any():
        raise DataError(
            "decoding",
            "logits must be finite, or -inf for a banned token",
            got=f"{logits[invalid][0].item()} in row {int(invalid.any(dim=-1).nonzero()[0])}",
            hint="Has the training diverged? Look for nan in the weights and the state",
        )
