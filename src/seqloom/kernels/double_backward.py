"""Second derivatives around a kernel that has only first ones, as cuDNN's do.

The kernel runs between two identity functions. Where a gradient will be differentiated again
(`create_graph=True`), the backward of the first identity discards what the kernel's own backward computed,
runs another kernel of the same equation, and lets autograd differentiate that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Function = Callable[[Sequence[Tensor]], Sequence[Tensor]]


class _Shared:
    """What `_Exit` passes to `_Entry` in one backward."""

    def __init__(self, differentiable: Function) -> None:
        self.differentiable = differentiable
        self.gradients: tuple[Tensor, ...] = ()


def with_double_backward(
    kernel: Function, differentiable: Function, tensors: Sequence[Tensor]
) -> Sequence[Tensor]:
    """`kernel(tensors)`, with its own first gradients and the higher ones of `differentiable`.

    Args:
        kernel: a function of `tensors` with first derivatives.
        differentiable: the same function, differentiable any number of times.
        tensors: every tensor that may need a gradient.

    Returns:
        The results of `kernel`; all but the first may be changed in place.

    >>> x = torch.tensor([2.0], requires_grad=True)
    >>> (y,) = with_double_backward(lambda t: [t[0] ** 3], lambda t: [t[0] ** 3], [x])
    >>> (first,) = torch.autograd.grad(y, x, create_graph=True)
    >>> first.item(), torch.autograd.grad(first, x)[0].item()
    (12.0, 12.0)
    """
    needed = [k for k, tensor in enumerate(tensors) if tensor.requires_grad]
    if not needed or not torch.is_grad_enabled():
        return kernel(tensors)

    def all_tensors(replaced: Sequence[Tensor]) -> list[Tensor]:
        full = list(tensors)
        for k, tensor in zip(needed, replaced, strict=True):
            full[k] = tensor
        return full

    shared = _Shared(lambda replaced: differentiable(all_tensors(replaced)))
    entered = _Entry.apply(shared, *(tensors[k] for k in needed))
    return _Exit.apply(shared, *kernel(all_tensors(entered)))


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
        shared, output_gradients = ctx.shared, ctx.shared.gradients
        shared.gradients = ()
        # Views, since one tensor may have been computed from another, and the gradients must be partial ones.
        tensors = [tensor.view_as(tensor) for tensor in ctx.saved_tensors]
        outputs = shared.differentiable(tensors)
        return None, *torch.autograd.grad(
            outputs, tensors, output_gradients, create_graph=True, allow_unused=True
        )


class _Exit(torch.autograd.Function):
    @staticmethod
    def forward(_shared: _Shared, output: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        # A view made here cannot be changed in place; a state is small enough to copy.
        return output.view_as(output), *(part.clone() for part in state)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004
        ctx.shared = inputs[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            ctx.shared.gradients = gradients
        return None, *gradients
