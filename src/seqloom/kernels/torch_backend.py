"""Torch's own kernels: oneDNN or plain loops in C++ on a CPU, cuDNN on a GPU. A whole stack is one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import torch
from torch import _VF, Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.spec import CELLS
from seqloom.kernels.double_backward import twice
from seqloom.state import select_rows, tensors_of, with_tensors

Function = TypeVar("Function", bound=Callable[..., Any])

OPERATORS = {
    spec.name: getattr(_VF, spec.torch_operator) for spec in CELLS.values() if spec.torch_operator is not None
}


class Stack(NamedTuple):
    """What torch's kernels want to know of a stack of layers."""

    cell: str
    weights: Sequence[Tensor]
    """Flat, in torch.nn's order: of each layer, of each direction: ih, hh, biases, hr"""
    bias: bool
    num_layers: int
    dropout: float
    training: bool
    bidirectional: bool
    batch_first: bool = False


def _outside_graphs(function: Function) -> Function:
    """`function`, which `torch.compile` leaves alone: what it does depends on the numbers in a tensor.

    `torch.compiler.disable` at once would import the compiler with every `import seqloom.layers`.
    """

    @wraps(function)
    def wrapped(*args: Any) -> Any:
        if torch.compiler.is_compiling():
            return torch.compiler.disable(function)(*args)
        return function(*args)

    return wrapped  # type: ignore[return-value]


def run(stack: Stack, input: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Run rows that all have as many steps: input (T, B, I) or batch first, state (L, B, H) or LSTMState."""
    cell, weights, *flags = stack
    if first_derivatives_only(stack, input):
        return _run_twice(stack, input, None, state)
    return _result(OPERATORS[cell](input, state, weights, *flags))


@_outside_graphs
def run_packed(stack: Stack, data: Tensor, batch_sizes: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Run packed rows, longest first: data (steps, I) and batch_sizes (T,) as in a PackedSequence."""
    cell, weights, *flags, _ = stack
    if first_derivatives_only(stack, data):
        return _run_twice(stack, data, batch_sizes, state)
    return _result(OPERATORS[cell](data, batch_sizes, state, weights, *flags))


@_outside_graphs
def run_lengths(stack: Stack, input: Tensor, state: Any, lengths: Tensor) -> tuple[Tensor, Any]:
    """Run rows of `lengths` (B,) steps, int64 on the CPU, in any order; at least one is above 0.

    Rows of length 0 are not run at all. The others are packed, so padding costs nothing: whatever stands
    there is never read.
    """
    batch, time = (0, 1) if stack.batch_first else (1, 0)
    T = input.shape[time]
    if bool((lengths == T).all()):
        return run(stack, input, state)
    sorted_lengths, order = lengths.sort(descending=True, stable=True)
    count = int(lengths.count_nonzero())
    assert count > 0, "the reference kernel runs what has no steps"
    rows = order[:count].to(input.device)
    data, batch_sizes = _VF._pack_padded_sequence(
        input.index_select(batch, rows), sorted_lengths[:count], stack.batch_first
    )
    data, ended = run_packed(stack, data, batch_sizes, select_rows(state, rows))
    output, _ = _VF._pad_packed_sequence(data, batch_sizes, stack.batch_first, 0.0, T)
    if count == len(lengths):
        back = order.argsort().to(input.device)
        return output.index_select(batch, back), select_rows(ended, back)
    output = output.new_zeros(*input.shape[:-1], output.shape[-1]).index_copy(batch, rows, output)
    pairs = zip(tensors_of(state), tensors_of(ended), strict=True)
    return output, with_tensors(state, [old.to(new).index_copy(1, rows, new) for old, new in pairs])


def first_derivatives_only(stack: Stack, input: Tensor) -> bool:
    """Whether the kernel that torch will take cannot be differentiated twice though it could be asked to.

    cuDNN's cannot. With dropout inside the stack there is no second run with the same mask either, and
    torch's error stands: it says how to run without cuDNN.
    """
    dropped = stack.dropout and stack.training and stack.num_layers > 1
    return input.is_cuda and torch.is_grad_enabled() and torch.backends.cudnn.enabled and not dropped


def _run_twice(stack: Stack, input: Tensor, batch_sizes: Tensor | None, state: Any) -> tuple[Tensor, Any]:
    device = input.device.type
    autocast = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)

    def fast(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        x, *rest = tensors
        weights = rest[-len(stack.weights) :]
        old = with_tensors(state, rest)
        sizes = () if batch_sizes is None else (batch_sizes,)
        flags = stack[2:] if batch_sizes is None else stack[2:-1]
        return OPERATORS[stack.cell](x, *sizes, old, weights, *flags)

    def slow(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        with torch.backends.cudnn.flags(enabled=False), torch.autocast(device, autocast[1], autocast[0]):
            return fast(tensors)

    return _result(twice(fast, slow, [input, *tensors_of(state), *stack.weights]))


def _result(result: Any) -> tuple[Tensor, Any]:
    return result[0], result[1] if len(result) == 2 else LSTMState(result[1], result[2])
