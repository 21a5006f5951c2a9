"""Lengths are checked, and masks are true exactly within them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqloom.errors import DataError
from seqloom.layers.masking import check_lengths, valid_mask, zero_padding


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_valid_mask(dtype: torch.dtype) -> None:
    mask = valid_mask(torch.tensor([2, 0, 3], dtype=dtype), 3)
    assert mask.tolist() == [[True, True, False], [False, False, False], [True, True, True]]
    assert torch.equal(valid_mask(torch.tensor([2, 0, 3], dtype=dtype), 3, batch_first=False), mask.t())
    assert valid_mask(torch.tensor([0]), 0).shape == (1, 0)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_zero_padding_replaces_nan_and_stops_its_gradient(shape: tuple[int, ...]) -> None:
    valid = torch.tensor([[True, False, False], [True, True, True]])
    values = torch.ones(shape)
    values[0, 1:] = torch.nan
    values.requires_grad_()
    zeroed = zero_padding(values, valid)
    assert (zeroed[valid] == 1).all()
    assert (zeroed[~valid] == 0).all()
    (gradient,) = torch.autograd.grad((zeroed * values.detach()).nan_to_num().sum(), values)
    assert torch.equal(gradient != 0, valid.view(2, 3, *[1] * (len(shape) - 2)).expand(shape))


def test_lengths_become_int64_on_the_cpu() -> None:
    for lengths in ([2, 0], (2, 0), torch.tensor([2, 0], dtype=torch.int16)):
        checked = check_lengths("Layer", lengths, 2, 2)
        assert torch.equal(checked, torch.tensor([2, 0]))
        assert checked.dtype == torch.int64


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (torch.tensor([1.0, 2.0]), r"lengths must be whole numbers of shape \(2,\)\. Got torch\.float32 \(2"),
        (torch.tensor([[1, 2]]), r"lengths must be whole numbers of shape \(2,\)\. Got torch\.int64 \(1, 2"),
        ([1, True], r"lengths must be whole numbers, one for each row\. Got \[1, True\]\."),
        ([1, 2, 3], r"lengths must be 2, one for each row\. Got 3\."),
        ([1, 4], r"lengths\[1\] must be 0 to 3, the steps of the input\. Got 4\."),
        ([-1, 2], r"lengths\[0\] must be 0 to 3, the steps of the input\. Got -1\."),
    ],
)
def test_invalid_lengths_are_refused(lengths: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"^Layer: {message}"):
        check_lengths("Layer", lengths, 2, 3)
