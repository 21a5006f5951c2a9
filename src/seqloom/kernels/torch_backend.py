"""Torch's own kernels: oneDNN or C++ loops on a CPU, cuDNN on a GPU. One call runs a stack of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, NamedTuple, TypeVar

import torch
from torch import _VF, Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.spec import CELLS
from seqloom.kernels.double_backward import with_double_backward
from seqloom.state import select_rows, tensors_of, with_tensors

Function = TypeVar("Function", bound=Callable[..., Any])

OPERATORS = {
    spec.name: getattr(_VF, spec.torch_operator) for spec in CELLS.values() if spec.torch_operator is not None
}


class Stack(NamedTuple):
    """A stack of layers, as torch's kernels take it."""

    cell: str
    weights: Sequence[Tensor]
    """In torch.nn's order: layer by layer, direction by direction, weight_ih, weight_hh, biases, weight_hr"""
    bias: bool
    num_layers: int
    dropout: float
    training: bool
    bidirectional: bool
    batch_first: bool = False


def _outside_graphs(function: Function) -> Function:
    """Exclude `function` from torch.compile's graphs, as its control flow depends on a tensor's values.

    `torch.compiler.disable` as a decorator would import the compiler with every `import seqloom.layers`.
    """

    @wraps(function)
    def wrapped(*args: Any) -> Any:
        if torch.compiler.is_compiling():
            return torch.compiler.disable(function)(*args)
        return function(*args)

    return wrapped  # type: ignore[return-value]


def run(stack: Stack, input: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Run rows of equal length: input (T, B, I) or batch first, state (L, B, H) or LSTMState."""
    cell, weights, *flags = stack
    if first_derivatives_only(stack, input):
        return _run_with_double_backward(stack, input, None, state)
    return _result(OPERATORS[cell](input, state, weights, *flags))


@_outside_graphs
def run_packed(stack: Stack, data: Tensor, batch_sizes: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Run a PackedSequence: data (steps, I), batch_sizes (T,), state of its rows, longest first."""
    cell, weights, *flags, _ = stack
    if first_derivatives_only(stack, data):
        return _run_with_double_backward(stack, data, batch_sizes, state)
    return _result(OPERATORS[cell](data, batch_sizes, state, weights, *flags))


@_outside_graphs
def run_lengths(stack: Stack, input: Tensor, state: Any, lengths: Tensor) -> tuple[Tensor, Any]:
    """Run rows of `lengths` (B,) steps, int64 on the CPU, in any order; at least one is above 0.

    Rows of length 0 are left out and the others packed, so that padding takes no time and is never read.
    """
    batch, time = (0, 1) if stack.batch_first else (1, 0)
    T = input.shape[time]
    if bool((lengths == T).all()):
        return run(stack, input, state)
    sorted_lengths, order = lengths.sort(descending=True, stable=True)
    count = int(lengths.count_nonzero())
    assert count > 0, "the reference kernel runs batches without a step"
    rows = order[:count].to(input.device)
    data, batch_sizes = _VF._pack_padded_sequence(
        input.index_select(batch, rows), sorted_lengths[:count], stack.batch_first
    )
    data, final = run_packed(stack, data, batch_sizes, select_rows(state, rows))
    output, _ = _VF._pad_packed_sequence(data, batch_sizes, stack.batch_first, 0.0, T)
    if count == len(lengths):
        back = order.argsort().to(input.device)
        return output.index_select(batch, back), select_rows(final, back)
    output = output.new_zeros(*input.shape[:-1], output.shape[-1]).index_copy(batch, rows, output)
    pairs = zip(tensors_of(state), tensors_of(final), strict=True)
    return output, with_tensors(state, [old.to(new).index_copy(1, rows, new) for old, new in pairs])


def refusal(cell: str, input: Tensor, *, projects: bool) -> str | None:
    """Why torch's kernel cannot run a cell with this input on this processor; None if it can.

    oneDNN runs an LSTM without projection on the CPU. Where it lacks the type that autocast asks for, torch
    raises an error instead of taking another kernel.
    """
    operator = CELLS[cell].torch_operator
    if operator is None:
        return f"torch has no {cell}"
    if operator != "lstm" or projects or not input.is_cpu or input.dtype == torch.float64:
        return None
    autocast = torch.is_autocast_enabled("cpu")
    dtype = torch.get_autocast_dtype("cpu") if autocast else input.dtype
    if dtype == torch.float32 or onednn_runs_lstm(dtype, autocast):
        return None
    return f"torch's LSTM does not run in {dtype} on this processor"


@cache
def onednn_runs_lstm(dtype: torch.dtype, autocast: bool) -> bool:
    """Whether torch's LSTM runs in `dtype` on this CPU; tried once, since ONEDNN_MAX_CPU_ISA matters too."""
    from torch.utils._python_dispatch import _disable_current_modes

    with _disable_current_modes(), torch.no_grad(), torch.autocast("cpu", dtype, enabled=autocast):
        one = torch.zeros(1, 1, 1, dtype=torch.float32 if autocast else dtype, device="cpu")
        weights = [one.new_zeros(4, 1), one.new_zeros(4, 1)]
        try:
            _VF.lstm(one, (one, one), weights, False, 1, 0.0, False, False, False)
        except RuntimeError:
            return False
    return True


# A constant for torch.compile, which cannot trace it; as in native/library.py.
onednn_runs_lstm._dynamo_marked_constant = True  # type: ignore[attr-defined]


def first_derivatives_only(stack: Stack, input: Tensor) -> bool:
    """Whether torch takes a kernel without second derivatives (cuDNN's) where gradients may be needed.

    With dropout between layers a second run could not draw the same mask, so torch's own error is left to
    tell how to run without cuDNN.
    """
    has_dropout = stack.dropout and stack.training and stack.num_layers > 1
    return input.is_cuda and torch.is_grad_enabled() and torch.backends.cudnn.enabled and not has_dropout


def _run_with_double_backward(
    stack: Stack, input: Tensor, batch_sizes: Tensor | None, state: Any
) -> tuple[Tensor, Any]:
    device = input.device.type
    autocast = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)

    def kernel(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        x, *rest = tensors
        weights = rest[-len(stack.weights) :]
        old = with_tensors(state, rest)
        sizes = () if batch_sizes is None else (batch_sizes,)
        flags = stack[2:] if batch_sizes is None else stack[2:-1]
        return OPERATORS[stack.cell](x, *sizes, old, weights, *flags)

    def differentiable(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        with torch.backends.cudnn.flags(enabled=False), torch.autocast(device, autocast[1], autocast[0]):
            return kernel(tensors)

    return _result(with_double_backward(kernel, differentiable, [input, *tensors_of(state), *stack.weights]))


def _result(result: Any) -> tuple[Tensor, Any]:
    return result[0], result[1] if len(result) == 2 else LSTMState(result[1], result[2])
