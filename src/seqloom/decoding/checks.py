"""What every decoder asks of the values it begins with."""

from __future__ import annotations

import torch
from torch import Tensor

from seqloom.decoding.options import DecodingOptions
from seqloom.errors import ConfigError, DataError


def check_start(who: str, logits: Tensor, options: DecodingOptions) -> None:
    """Refuse logits that are not (B, V) floats, and stops outside the vocabulary.

    Raises:
        DataError: the logits.
        ConfigError: a stop that no row could ever produce.
    """
    if logits.dim() != 2 or 0 in logits.shape or not logits.is_floating_point():
        raise DataError(
            who,
            "logits must be floats of shape (B, V), those after the last token of the prompt",
            got=f"{logits.dtype} of shape {tuple(logits.shape)}",
        )
    for token in (*options.stop_tokens, *(token for run in options.stop_sequences for token in run)):
        if token >= logits.shape[1]:
            raise ConfigError(
                who, f"stop tokens must be below {logits.shape[1]}, the size of the vocabulary", got=token
            )


def refuse_non_numbers(logits: Tensor) -> None:
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
            mend="Look for a diverged training: nan in the weights or in the state",
        )
