"""What every decoder asks of the values it begins with."""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.decoding.options import DecodingOptions
from seqloom.errors import ConfigError, DataError
from seqloom.state import State


def check_inputs(who: str, logits: Tensor, state: State, options: DecodingOptions) -> None:
    """Refuse logits that are not (B, V) floats, a state of other rows, and stops outside the vocabulary.

    Raises:
        DataError: the logits or the state.
        ConfigError: a stop that no row could ever produce.
    """
    if logits.dim() != 2 or 0 in logits.shape or not logits.is_floating_point():
        raise DataError(
            who,
            "logits must be floats of shape (B, V), those after the last token of the prompt",
            got=f"{logits.dtype} of shape {tuple(logits.shape)}",
        )
    check_state(who, state, logits.shape[0])
    for token in (*options.stop_tokens, *(token for run in options.stop_sequences for token in run)):
        if token >= logits.shape[1]:
            raise ConfigError(
                who, f"stop tokens must be below {logits.shape[1]}, the size of the vocabulary", got=token
            )


def check_state(who: str, state: State, batch_size: int, name: str = "state") -> None:
    """Refuse a state that is not of `batch_size` rows, in dimension 1 of every tensor.

    Raises:
        DataError: it names the tensor, as `state[0].h`.
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
    for k, part in enumerate(state):
        check_state(who, part, batch_size, f"{name}.{fields[k]}" if fields else f"{name}[{k}]")


def check_logits(logits: Tensor) -> None:
    """Refuse nan and +inf: only -inf has a meaning, a banned token.

    Raises:
        DataError: any nan or +inf.
    """
    wrong = ~(logits < torch.inf)
    if wrong.any():
        raise DataError(
            "decoding",
            "logits must be finite, or -inf for a banned token",
            got=f"{logits[wrong][0].item()} in row {int(wrong.any(dim=-1).nonzero()[0])}",
            hint="Look for a diverged training: nan in the weights or in the state",
        )
