"""The C interface of the recurrences (csrc/include/recurrence_api.h): tensors as addresses and strides."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.cells.spec import CELLS
from seqloom.errors import DataError
from seqloom.kernels.native.openmp import num_threads

NATIVE_CELLS = {name: spec for name, spec in CELLS.items() if spec.native_id is not None}
"""The cells that csrc/cells/ implements"""

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""The weights of a direction, in this order; the biases may be None."""

_PAD = 32
"""Saved values are padded to a multiple of so many units, as in csrc/include/recurrence_api.h."""

_WHERE = "seqloom::recurrence"


class Direction(ctypes.Structure):
    """`Direction` of csrc/include/recurrence_api.h: addresses of float32 arrays, None for absent ones."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in (
            *(*WEIGHTS, "h0", "c0", "hn", "cn", "saved", "d_hn", "d_cn", "d_h0", "d_c0"),
            *(f"d_{name}" for name in WEIGHTS),
        )
    ]


class Problem(ctypes.Structure):
    """`Problem` of csrc/include/recurrence_api.h. Strides count elements."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("cell", "half", "directions", "reverse")),
        *((name, ctypes.c_int32) for name in ("threads", "wide_input")),
        *((name, ctypes.c_int64) for name in ("steps", "batch", "input_size", "hidden")),
        ("lengths", ctypes.c_void_p),
        *(("input", ctypes.c_void_p), ("input_step", ctypes.c_int64), ("input_row", ctypes.c_int64)),
        *(("output", ctypes.c_void_p), ("output_step", ctypes.c_int64), ("output_row", ctypes.c_int64)),
        *(("d_output", ctypes.c_void_p), ("d_output_step", ctypes.c_int64), ("d_output_row", ctypes.c_int64)),
        *(("d_input", ctypes.c_void_p), ("d_input_step", ctypes.c_int64), ("d_input_row", ctypes.c_int64)),
        ("direction", Direction * 2),
    ]


class Run(NamedTuple):
    """One layer in one or both directions: the arguments that forward and backward share."""

    cell: str
    """One of `NATIVE_CELLS`"""
    input: Tensor
    """(T, B, I), float32 or bfloat16"""
    h: Tensor
    """(D, B, H) float32: the initial state of each direction"""
    c: Tensor | None
    """As h; for a cell with a cell state only"""
    lengths: Tensor | None
    """(B,) int64 on the CPU, 0 to T; None: T for every row"""
    weights: Sequence[Tensor | None]
    """float32: `WEIGHTS` of the first direction, then of the second; four times None without a second"""
    reverse: bool
    """Whether a single direction runs from each row's last valid step to its first"""
    bf16: bool = False
    """Whether to compute in bfloat16 from a float32 input, as under autocast"""


def compute_dtype(run: Run) -> torch.dtype:
    """The type of the operands of all products, of the output, and of the saved values."""
    return torch.bfloat16 if run.bf16 else run.input.dtype


def check(run: Run) -> bool:
    """Check every tensor, as the library accesses memory unchecked. Returns whether there is any step to run.

    Raises:
        DataError: a shape, a type, a device or a length that does not fit.
    """
    cell, x, h, c, lengths, weights, *_ = run
    D = 1 if weights[4] is None else 2
    spec = NATIVE_CELLS.get(cell)
    if spec is None or (c is None) == spec.has_cell_state:
        raise DataError(
            _WHERE, f"the cell must be one of {', '.join(NATIVE_CELLS)}, and c is for lstm only", got=cell
        )
    if x.dim() != 3 or h.dim() != 3 or not x.is_cpu or x.dtype not in (torch.float32, torch.bfloat16):
        got = f"{x.dtype} {tuple(x.shape)} on {x.device}, and h {tuple(h.shape)}"
        raise DataError(
            _WHERE, f"input must be (T, B, I), float32 or bfloat16 on the CPU, and h ({D}, B, H)", got=got
        )
    T, B, I = x.shape  # noqa: E741
    H = h.shape[2]
    G = spec.num_gates * H
    _check_tensor("h", h, (D, B, H))
    if c is not None:
        _check_tensor("c", c, (D, B, H))
    shapes = ((G, I), (G, H), (G,), (G,))
    for k, weight in enumerate(weights):
        if weight is not None:
            _check_tensor(WEIGHTS[k % 4], weight, shapes[k % 4])
        elif k % 4 < 2 and k < 4 * D:
            raise DataError(_WHERE, f"{WEIGHTS[k % 4]} must be a tensor", got=None)
    longest = T if lengths is None else _check_lengths(lengths, T, B)
    return longest > 0 and B * H * I > 0


def check_backward(
    run: Run, output: Tensor, saved: Tensor | None, gradients: Sequence[Tensor | None]
) -> None:
    """Check the further arguments of a backward pass.

    Raises:
        DataError: a shape, a type or a device that does not fit.
    """
    x, h = run.input, run.h
    whole = (*x.shape[:2], len(h) * h.shape[2])
    _check_tensor("output", output, whole, compute_dtype(run))
    if CELLS[run.cell].num_saved_values:
        if saved is None:
            hint = "Run it with save=True"
            raise DataError(_WHERE, "backward needs the values that forward saves", hint=hint)
        _check_tensor("saved", saved, saved_shape(run), output.dtype)
    d_output, d_h_n, d_c_n = gradients
    if d_output is not None:
        _check_tensor("d_output", d_output, whole, output.dtype)
    if d_h_n is not None:
        _check_tensor("d_h_n", d_h_n, tuple(h.shape))
    if d_c_n is not None:
        _check_tensor("d_c_n", d_c_n, tuple(h.shape))


def saved_shape(run: Run) -> tuple[int, int, int]:
    """(D, T B, values of all units): the shape of what forward saves for backward."""
    T, B, _ = run.input.shape
    D, _, H = run.h.shape
    return D, T * B, (H + _PAD - 1) // _PAD * _PAD * CELLS[run.cell].num_saved_values


def _check_tensor(
    name: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> None:
    """Check that `tensor` is on the CPU and has this shape and type.

    Raises:
        DataError: it is not.
    """
    if tensor.shape != shape or tensor.dtype != dtype or not tensor.is_cpu:
        got = f"{tensor.dtype} {tuple(tensor.shape)} on {tensor.device}"
        raise DataError(_WHERE, f"{name} must be {dtype} {shape} on the CPU", got=got)


def _check_lengths(lengths: Tensor, T: int, B: int) -> int:
    _check_tensor("lengths", lengths, (B,), torch.int64)
    numbers = lengths.tolist()
    if B and not 0 <= min(numbers) <= max(numbers) <= T:
        raise DataError(_WHERE, f"lengths must be 0 to {T}, the steps of the input", got=numbers)
    return max(numbers, default=0)


def with_contiguous_rows(tensor: Tensor) -> Tensor:
    """`tensor` (T, B, N), copied if its last dimension is not contiguous; T and B may have any stride."""
    is_contiguous = (tensor.stride(2) == 1 or tensor.shape[2] == 1) and not tensor.is_neg()
    return tensor if is_contiguous else tensor.resolve_neg().contiguous()


def contiguous(run: Run) -> Run:
    """`run` with every tensor in the layout of the C interface, copied where necessary."""
    cell, x, h, c, lengths, weights, reverse, bf16 = run
    return Run(
        cell, with_contiguous_rows(x), h.contiguous(), None if c is None else c.contiguous(),
        None if lengths is None else lengths.contiguous(),
        [None if weight is None else weight.contiguous() for weight in weights], reverse, bf16,
    )  # fmt: skip


def make_problem(run: Run, output: Tensor, saved: Tensor | None) -> Problem:
    """The C structure, with the fields that forward and backward share.

    It has addresses only: the caller keeps the tensors alive.

    Args:
        run: as `contiguous` returns it.
        output: (T, B, D H), each row contiguous.
        saved: of `saved_shape`, or None.
    """
    cell, x, h, c, lengths, weights, reverse, bf16 = run
    p = Problem()
    p.cell, p.reverse, p.half = CELLS[cell].native_id, reverse, bf16 or x.dtype == torch.bfloat16
    p.wide_input = bf16 and x.dtype == torch.float32
    p.threads = num_threads()
    p.steps, p.batch, p.input_size = x.shape
    p.directions, _, p.hidden = h.shape
    p.lengths = None if lengths is None else lengths.data_ptr()
    p.input, (p.input_step, p.input_row, _) = x.data_ptr(), x.stride()
    p.output, (p.output_step, p.output_row, _) = output.data_ptr(), output.stride()
    for d in range(len(h)):
        to = p.direction[d]
        weight_ih, weight_hh, bias_ih, bias_hh = weights[4 * d : 4 * d + 4]
        assert weight_ih is not None
        assert weight_hh is not None
        to.weight_ih, to.weight_hh = weight_ih.data_ptr(), weight_hh.data_ptr()
        to.bias_ih = None if bias_ih is None else bias_ih.data_ptr()
        to.bias_hh = None if bias_hh is None else bias_hh.data_ptr()
        to.h0, to.c0, to.saved = address(h, d), address(c, d), address(saved, d)
    return p


def address(tensor: Tensor | None, d: int) -> int | None:
    """The address of `tensor[d]` of a contiguous tensor; None for None."""
    if tensor is None or d == 0:
        return None if tensor is None else tensor.data_ptr()
    return tensor.data_ptr() + d * tensor.stride(0) * tensor.element_size()
