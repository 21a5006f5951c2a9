"""Forward and backward of one layer, in one or both directions, on the compiled kernels.

Plain functions of tensors. Autograd is added in `operators`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from seqloom.cells.spec import CELLS
from seqloom.errors import ConfigError
from seqloom.kernels.native import buffer_pool
from seqloom.kernels.native.abi import (
    WEIGHTS,
    Run,
    address,
    check,
    check_backward,
    compute_dtype,
    contiguous,
    make_problem,
    saved_shape,
    with_contiguous_rows,
)
from seqloom.kernels.native.library import CPU_TARGETS, Library, load

Forward: TypeAlias = "tuple[Tensor, Tensor, Tensor | None, Tensor | None]"
"""output (T, B, D H), 0 beyond a row's length; h_n (D, B, H); c_n of an LSTM; values saved for backward"""

Backward: TypeAlias = "tuple[Tensor | None, ...]"
"""The gradients of input, h, c and the eight weights of a `Run`; None: absent, or not requested"""

Allocate: TypeAlias = Callable[..., Tensor]
"""A function with the signature of `Tensor.new_empty`"""


class OutputGradients(NamedTuple):
    """The gradients of the loss by output, h_n and c_n; None: zero."""

    output: Tensor | None
    h_n: Tensor | None
    c_n: Tensor | None


class RequestedGradients(NamedTuple):
    """Which gradients to compute."""

    input: bool
    state: bool
    weights: bool


def forward(run: Run, batch_first: bool = False, save: bool = False) -> Forward:
    """Run one layer.

    Args:
        batch_first: whether the output's memory layout is (B, T, D H); its shape is (T, B, D H) either way.
        save: whether to save the values that `backward` and `saved_gates.gates` need.

    Raises:
        DataError: a shape, a type, a device or a length that does not fit.
        ConfigError: there is no library, or it has no bfloat16 on this processor.
        MemoryError: no memory for the library's own buffers.
    """
    library, has_steps = _library(run), check(run)
    results = output, h_n, c_n, saved = allocate_results(run, batch_first, save, buffer_pool.empty)
    if not has_steps:
        output.zero_()
        h_n.copy_(run.h)
        if run.c is not None and c_n is not None:
            c_n.copy_(run.c)
        return results
    run = contiguous(run)
    p = make_problem(run, output, saved)
    for d in range(p.directions):
        to = p.direction[d]
        to.hn, to.cn = address(h_n, d), address(c_n, d)
    _raise_on_error(library.forward(p))
    return results


def backward(
    run: Run,
    output: Tensor,
    saved: Tensor | None,
    gradients: OutputGradients,
    requested: RequestedGradients,
    batch_first: bool = False,
) -> Backward:
    """The gradients of the arguments of `forward`.

    Args:
        run: the argument of `forward`.
        output, saved: its results.
        gradients: of its differentiable results.
        requested: which gradients to compute.
        batch_first: whether the memory layout of the input's gradient is (B, T, I).

    Raises:
        DataError, ConfigError, MemoryError: as `forward`.
    """
    library, has_steps = _library(run), check(run)
    check_backward(run, output, saved, gradients)
    d_input, d_h, d_c, *d_weights = results = allocate_gradients(run, requested, batch_first)
    if not has_steps:
        for gradient in results:
            if gradient is not None:
                gradient.zero_()
        for gradient, passed in ((d_h, gradients.h_n), (d_c, gradients.c_n)):
            if gradient is not None and passed is not None:
                gradient.copy_(passed)
        return results
    run, output = contiguous(run), with_contiguous_rows(output)
    d_output = None if gradients.output is None else with_contiguous_rows(gradients.output)
    d_h_n = None if gradients.h_n is None else gradients.h_n.contiguous()
    d_c_n = None if gradients.c_n is None else gradients.c_n.contiguous()
    p = make_problem(run, output, saved)
    if d_output is not None:
        p.d_output, (p.d_output_step, p.d_output_row, _) = d_output.data_ptr(), d_output.stride()
    if d_input is not None:
        p.d_input, (p.d_input_step, p.d_input_row, _) = d_input.data_ptr(), d_input.stride()
    for d in range(p.directions):
        to = p.direction[d]
        to.d_hn, to.d_cn, to.d_h0, to.d_c0 = (
            address(d_h_n, d),
            address(d_c_n, d),
            address(d_h, d),
            address(d_c, d),
        )
        for name, gradient in zip(WEIGHTS, d_weights[4 * d : 4 * d + 4], strict=True):
            setattr(to, f"d_{name}", None if gradient is None else gradient.data_ptr())
    _raise_on_error(library.backward(p))
    return results


def allocate_results(
    run: Run, batch_first: bool, save: bool, allocate_saved: Allocate = Tensor.new_empty
) -> Forward:
    """The results of `forward`, uninitialized, on the device of `run`."""
    x, h = run.input, run.h
    T, B, _ = x.shape
    dtype = compute_dtype(run)
    output = _sequence(x, T, B, h.shape[0] * h.shape[2], batch_first, dtype)
    has_saved = save and CELLS[run.cell].num_saved_values
    saved = allocate_saved(output, saved_shape(run), dtype=dtype) if has_saved else None
    return output, h.new_empty(h.shape), _like(run.c), saved


def allocate_gradients(run: Run, requested: RequestedGradients, batch_first: bool) -> Backward:
    """The results of `backward`, uninitialized, on the device of `run`."""
    T, B, I = run.input.shape  # noqa: E741
    d_input = _sequence(run.input, T, B, I, batch_first, run.input.dtype) if requested.input else None
    states = [_like(run.h), _like(run.c)] if requested.state else [None, None]
    weights = [_like(weight) for weight in run.weights] if requested.weights else [None] * 8
    return d_input, *states, *weights


def _sequence(like: Tensor, T: int, B: int, width: int, batch_first: bool, dtype: torch.dtype) -> Tensor:
    """An uninitialized (T, B, width). It is no view, so that callers can change it in place."""
    strides = (width, T * width, 1) if batch_first else (B * width, width, 1)
    return like.new_empty_strided((T, B, width), strides, dtype=dtype)


def _like(tensor: Tensor | None) -> Tensor | None:
    """An uninitialized contiguous tensor of the same shape."""
    return None if tensor is None else tensor.new_empty(tensor.shape)


def _library(run: Run) -> Library:
    library = load()
    if isinstance(library, str):
        raise ConfigError("seqloom::recurrence", library)
    if compute_dtype(run) == torch.bfloat16 and library.cpu_target < CPU_TARGETS.index("avx512_bf16"):
        expected = "bfloat16 needs the instruction set avx512_bf16"
        raise ConfigError("seqloom::recurrence", expected, got=CPU_TARGETS[library.cpu_target])
    return library


def _raise_on_error(code: int) -> None:
    if code:
        raise MemoryError("seqloom::recurrence: out of memory for a run of these sizes.")
