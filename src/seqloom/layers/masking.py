"""Lengths of the rows of a padded batch: checked, as masks, and padding filled with zeros."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from seqloom.errors import DataError

Lengths: TypeAlias = "Tensor | Sequence[int] | None"
"""(B,) of any integer type: the valid steps of each row; None: every step"""

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def check_lengths(where: str, lengths: Any, B: int, T: int) -> Tensor:
    """`lengths` as int64 (B,) on the CPU.

    Raises:
        DataError: another type, another count, or a length outside 0 to T.
    """
    if isinstance(lengths, Tensor):
        if lengths.dtype not in INTEGERS or lengths.dim() != 1:
            got = f"{lengths.dtype} {tuple(lengths.shape)}"
            raise DataError(where, f"lengths must be whole numbers of shape ({B},)", got=got)
        numbers = lengths.tolist()
    else:
        try:
            numbers = [_as_int(number) for number in lengths]
        except TypeError:
            raise DataError(where, "lengths must be whole numbers, one for each row", got=lengths) from None
    if len(numbers) != B:
        raise DataError(where, f"lengths must be {B}, one for each row", got=len(numbers))
    for row, number in enumerate(numbers):
        if not 0 <= number <= T:
            raise DataError(where, f"lengths[{row}] must be 0 to {T}, the steps of the input", got=number)
    return torch.tensor(numbers, dtype=torch.int64, device="cpu")


def _as_int(number: Any) -> int:
    if isinstance(number, bool):
        raise TypeError
    return operator.index(number)


def valid_mask(lengths: Tensor, T: int, *, batch_first: bool = True) -> Tensor:
    """True where a step is within its row's length, false in the padding.

    Args:
        lengths: (B,) integers.
        T: steps.
        batch_first: whether the mask is (B, T), not (T, B).

    Returns:
        (B, T) or (T, B) bool, on the device of `lengths`.

    >>> valid_mask(torch.tensor([2, 0]), 3)
    tensor([[ True,  True, False],
            [False, False, False]])
    """
    times = torch.arange(T, device=lengths.device)
    return times < lengths.unsqueeze(1) if batch_first else times.unsqueeze(1) < lengths


def zero_padding(values: Tensor, valid: Tensor) -> Tensor:
    """`values` with exact zeros in the padding, whatever is there: NaN times a zero gradient would be NaN.

    Args:
        values: two dimensions as `valid` has them, then any others.
        valid: bool, as `valid_mask` gives it.

    >>> zero_padding(torch.tensor([[1.0, torch.nan]]), torch.tensor([[True, False]]))
    tensor([[1., 0.]])
    """
    padding = ~valid
    return values.masked_fill(padding.view(*padding.shape, *[1] * (values.dim() - padding.dim())), 0)
