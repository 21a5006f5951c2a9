"""The compiled kernels: one layer, in one or both directions, over whole sequences, and its gradients.

Tensors in, tensors out, and no autograd: `operators` adds it.
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
    check,
    check_backward,
    computed_in,
    contiguous,
    fill,
    kept_shape,
    part,
    with_rows,
)
from seqloom.kernels.native.library import LEVELS, Library, load

Forward: TypeAlias = "tuple[Tensor, Tensor, Tensor | None, Tensor | None]"
"""output (T, B, D H), 0 beyond a row's length; h_n (D, B, H); of an LSTM c_n; what was kept, if anything"""

Backward: TypeAlias = "tuple[Tensor | None, ...]"
"""The gradients of input, h, c and the eight weights of a `Run`; None: there is none, or nobody wants it"""

Room: TypeAlias = Callable[..., Tensor]
"""Takes what `Tensor.new_empty_strided` takes, and gives what it gives."""


class Given(NamedTuple):
    """The gradients of output, h_n and c_n; None is zero."""

    output: Tensor | None
    h_n: Tensor | None
    c_n: Tensor | None


class Wanted(NamedTuple):
    """Which gradients somebody wants."""

    input: bool
    state: bool
    weights: bool


def forward(run: Run, batch_first: bool = False, keep: bool = False) -> Forward:
    """Run one layer.

    Args:
        batch_first: whether the output lies in memory as (B, T, D H); its shape is (T, B, D H) either way.
        keep: whether to keep what `backward` and `kept.gates` read.

    Raises:
        DataError: a shape, a type, a device or a length that does not fit.
        ConfigError: there is no library, or it cannot do bfloat16 here.
        MemoryError: no room for what the library needs for itself.
    """
    library, some = _library(run), check(run)
    output, h_n, c_n, _ = empty_results(run, batch_first, keep=False, room=buffer_pool.empty)
    kept = None
    if keep and CELLS[run.cell].num_saved_values:
        shape = kept_shape(run)
        kept = buffer_pool.empty(
            output, shape, (shape[1] * shape[2], shape[2], 1), dtype=output.dtype, spare=True
        )
    results = output, h_n, c_n, kept
    if not some:
        output.zero_()
        h_n.copy_(run.h)
        if run.c is not None and c_n is not None:
            c_n.copy_(run.c)
        return results
    run = contiguous(run)
    p = fill(run, output, kept)
    for d in range(p.directions):
        to = p.direction[d]
        to.hn, to.cn = part(h_n, d), part(c_n, d)
    _end(library.forward(p))
    return results


def backward(
    run: Run, output: Tensor, kept: Tensor | None, given: Given, wanted: Wanted, batch_first: bool = False
) -> Backward:
    """The gradients of what `forward` was given.

    Args:
        run: as given to `forward`.
        output, kept: as it gave them.
        batch_first: whether the gradient of the input lies in memory as (B, T, I).

    Raises:
        DataError, ConfigError, MemoryError: as `forward`.
    """
    library, some = _library(run), check(run)
    check_backward(run, output, kept, given)
    d_input, d_h, d_c, *d_weights = results = empty_gradients(
        run, wanted, batch_first, room=buffer_pool.empty
    )
    if not some:
        for gradient in results:
            if gradient is not None:
                gradient.zero_()
        for gradient, same in ((d_h, given.h_n), (d_c, given.c_n)):
            if gradient is not None and same is not None:
                gradient.copy_(same)
        return results
    run, output = contiguous(run), with_rows(output)
    d_output = None if given.output is None else with_rows(given.output)
    d_h_n = None if given.h_n is None else given.h_n.contiguous()
    d_c_n = None if given.c_n is None else given.c_n.contiguous()
    p = fill(run, output, kept)
    if d_output is not None:
        p.d_output, (p.d_output_step, p.d_output_row, _) = d_output.data_ptr(), d_output.stride()
    if d_input is not None:
        p.d_input, (p.d_input_step, p.d_input_row, _) = d_input.data_ptr(), d_input.stride()
    for d in range(p.directions):
        to = p.direction[d]
        to.d_hn, to.d_cn, to.d_h0, to.d_c0 = part(d_h_n, d), part(d_c_n, d), part(d_h, d), part(d_c, d)
        for name, gradient in zip(WEIGHTS, d_weights[4 * d : 4 * d + 4], strict=True):
            setattr(to, f"d_{name}", None if gradient is None else gradient.data_ptr())
    _end(library.backward(p))
    return results


def empty_results(run: Run, batch_first: bool, keep: bool, room: Room = Tensor.new_empty_strided) -> Forward:
    """What `forward` gives, with nothing in it yet, on the device of `run`."""
    x, h = run.input, run.h
    T, B, _ = x.shape
    output = _sequence(x, T, B, h.shape[0] * h.shape[2], batch_first, computed_in(run), room)
    kept = output.new_empty(kept_shape(run)) if keep and CELLS[run.cell].num_saved_values else None
    h_n = _like(h, room)
    assert h_n is not None
    return output, h_n, _like(run.c, room), kept


def empty_gradients(
    run: Run, wanted: Wanted, batch_first: bool, room: Room = Tensor.new_empty_strided
) -> Backward:
    """What `backward` gives, with nothing in it yet, on the device of `run`."""
    T, B, I = run.input.shape  # noqa: E741
    d_input = _sequence(run.input, T, B, I, batch_first, run.input.dtype, room) if wanted.input else None
    states = [_like(run.h, room), _like(run.c, room)] if wanted.state else [None, None]
    weights = [_like(weight, room) for weight in run.weights] if wanted.weights else [None] * 8
    return d_input, *states, *weights


def _sequence(
    like: Tensor, T: int, B: int, width: int, batch_first: bool, dtype: torch.dtype, room: Room
) -> Tensor:
    """Room for (T, B, width). Not a view, which nobody might change in place."""
    strides = (width, T * width, 1) if batch_first else (B * width, width, 1)
    return room(like, (T, B, width), strides, dtype=dtype)


def _like(tensor: Tensor | None, room: Room) -> Tensor | None:
    """Room for as much, without gaps."""
    if tensor is None:
        return None
    if not tensor.is_contiguous():
        return tensor.new_empty(tensor.shape)
    if room is buffer_pool.empty and tensor.numel() * tensor.itemsize >= buffer_pool.SMALLEST_BYTES:
        return room(tensor, tensor.shape, tensor.stride(), dtype=tensor.dtype)
    return torch.empty_like(tensor)


def _library(run: Run) -> Library:
    library = load()
    if isinstance(library, str):
        raise ConfigError("seqloom::recurrence", library)
    if computed_in(run) == torch.bfloat16 and library.level < LEVELS.index("avx512_bf16"):
        expected = "bfloat16 needs the instruction set avx512_bf16"
        raise ConfigError("seqloom::recurrence", expected, got=LEVELS[library.level])
    return library


def _end(code: int) -> None:
    if code:
        raise MemoryError("seqloom::recurrence: no memory is left for a run of these sizes.")
