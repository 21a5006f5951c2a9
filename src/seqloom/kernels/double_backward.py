"""Second derivatives around a kernel that has only first ones, as cuDNN's have.

The kernel runs between two functions that do nothing. Where a gradient is asked for that is to be
differentiated again (`create_graph=True`), the first of them throws away what the kernel's own backward
pass gave, runs another kernel of the same equation, and lets autograd differentiate that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Function = Callable[[Sequence[Tensor]], Sequence[Tensor]]


class _Shared:
    """What the two ends of one run tell each other."""

    def __init__(self, slow: Function) -> None:
        self.slow = slow
        self.gradients: tuple[Tensor, ...] = ()


def twice(fast: Function, slow: Function, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """`fast(tensors)`, with the first gradients of `fast` and the second and further ones of `slow`.

    Args:
        fast, slow: one and the same function of `tensors`; `slow` can be differentiated any number of times.
        tensors: everything that gradients are wanted for.

    Returns:
        What `fast` returns; all but the first may be changed in place.

    >>> x = torch.tensor([2.0], requires_grad=True)
    >>> (y,) = twice(lambda t: [t[0] ** 3], lambda t: [t[0] ** 3], [x])
    >>> (first,) = torch.autograd.grad(y, x, create_graph=True)
    >>> first.item(), torch.autograd.grad(first, x)[0].item()
    (12.0, 12.0)
    """
    wanted = [k for k, tensor in enumerate(tensors) if tensor.requires_grad]
    if not wanted or not torch.is_grad_enabled():
        return fast(tensors)

    def all_tensors(some: Sequence[Tensor]) -> list[Tensor]:
        full = list(tensors)
        for k, tensor in zip(wanted, some, strict=True):
            full[k] = tensor
        return full

    shared = _Shared(lambda some: slow(all_tensors(some)))
    inside = _Entry.apply(shared, *(tensors[k] for k in wanted))
    return _Exit.apply(shared, *fast(all_tensors(inside)))


class _Entry(torch.autograd.Function):
    @staticmethod
    def forward(_shared: _Shared, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        ctx.shared, *tensors = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if not torch.is_grad_enabled():
            return None, *gradients
        shared, given = ctx.shared, ctx.shared.gradients
        shared.gradients = ()
        # Views, so that the gradients are partial: one tensor may have been computed from another.
        tensors = [tensor.view_as(tensor) for tensor in ctx.saved_tensors]
        outputs = shared.slow(tensors)
        return None, *torch.autograd.grad(outputs, tensors, given, create_graph=True, allow_unused=True)


class _Exit(torch.autograd.Function):
    @staticmethod
    def forward(_shared: _Shared, output: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        # Nobody may change a view in place here, and a state is small enough to copy.
        return output.view_as(output), *(part.clone() for part in state)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        ctx.shared = inputs[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            ctx.shared.gradients = gradients
        return None, *gradients
