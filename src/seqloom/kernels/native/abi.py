"""What the compiled kernels are asked (csrc/problem.h): checked tensors as addresses, sizes and strides."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from seqloom.cells.spec import CELLS
from seqloom.errors import DataError

NATIVE_CELLS = {name: spec for name, spec in CELLS.items() if spec.native_id is not None}
"""The cells that csrc/cells/ has"""

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""Of each direction, in this order; the biases may be None."""

_PAD = 32
"""Units are kept in multiples of this (csrc/problem.h)."""

_WHERE = "seqloom::recurrence"


class Direction(ctypes.Structure):
    """`Direction` of csrc/problem.h: addresses of float32, None where there is nothing."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in (
            *(*WEIGHTS, "h0", "c0", "hn", "cn", "saved", "d_hn", "d_cn", "d_h0", "d_c0"),
            *(f"d_{name}" for name in WEIGHTS),
        )
    ]


class Problem(ctypes.Structure):
    """`Problem` of csrc/problem.h. Strides count elements."""

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
    """One layer in one or both directions; what its forward and its backward pass both want to know."""

    cell: str
    """One of `NATIVE_CELLS`"""
    input: Tensor
    """(T, B, I), float32 or bfloat16"""
    h: Tensor
    """(D, B, H) float32: what each direction starts from"""
    c: Tensor | None
    """As h; for an LSTM, and for no other cell"""
    lengths: Tensor | None
    """(B,) int64 on the CPU, each 0 to T; None: all T"""
    weights: Sequence[Tensor | None]
    """float32: `WEIGHTS` of the first direction, and of the second; four times None where there is none"""
    reverse: bool
    """Whether the only direction runs from each row's end"""
    half: bool = False
    """Whether the factors of all products, and the output, are bfloat16, as they are where the input is"""


def computed_in(run: Run) -> torch.dtype:
    """The type of the factors of all products, of the output, and of what is kept."""
    return torch.bfloat16 if run.half else run.input.dtype


def check(run: Run) -> bool:
    """That all tensors fit, or the library would overrun memory. Returns whether there is anything to run.

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
    _fit("h", h, (D, B, H))
    if c is not None:
        _fit("c", c, (D, B, H))
    shapes = ((G, I), (G, H), (G,), (G,))
    for k, weight in enumerate(weights):
        if weight is not None:
            _fit(WEIGHTS[k % 4], weight, shapes[k % 4])
        elif k % 4 < 2 and k < 4 * D:
            raise DataError(_WHERE, f"{WEIGHTS[k % 4]} must be a tensor", got=None)
    longest = T if lengths is None else _longest(lengths, T, B)
    return longest > 0 and B * H * I > 0


def check_backward(run: Run, output: Tensor, kept: Tensor | None, given: Sequence[Tensor | None]) -> None:
    """That what a backward pass is given fits the run.

    Raises:
        DataError: a shape, a type or a device that does not fit.
    """
    x, h = run.input, run.h
    whole = (*x.shape[:2], len(h) * h.shape[2])
    _fit("output", output, whole, computed_in(run))
    if CELLS[run.cell].num_saved_values:
        if kept is None:
            raise DataError(
                _WHERE, "a backward pass needs what the forward pass keeps", hint="Run it with keep=True"
            )
        _fit("kept", kept, kept_shape(run), output.dtype)
    d_output, d_h_n, d_c_n = given
    if d_output is not None:
        _fit("d_output", d_output, whole, output.dtype)
    if d_h_n is not None:
        _fit("d_h_n", d_h_n, tuple(h.shape))
    if d_c_n is not None:
        _fit("d_c_n", d_c_n, tuple(h.shape))


def kept_shape(run: Run) -> tuple[int, int, int]:
    """(D, T B, values of all units): what a run keeps for its backward pass."""
    T, B, _ = run.input.shape
    D, _, H = run.h.shape
    return D, T * B, (H + _PAD - 1) // _PAD * _PAD * CELLS[run.cell].num_saved_values


def _fit(name: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
    """That `tensor` is on the CPU, of that shape and type.

    Raises:
        DataError: it is not.
    """
    if tensor.shape != shape or tensor.dtype != dtype or not tensor.is_cpu:
        got = f"{tensor.dtype} {tuple(tensor.shape)} on {tensor.device}"
        raise DataError(_WHERE, f"{name} must be {dtype} {shape} on the CPU", got=got)


def _longest(lengths: Tensor, T: int, B: int) -> int:
    _fit("lengths", lengths, (B,), torch.int64)
    numbers = lengths.tolist()
    if B and not 0 <= min(numbers) <= max(numbers) <= T:
        raise DataError(_WHERE, f"lengths must be 0 to {T}, the steps of the input", got=numbers)
    return max(numbers, default=0)


def with_rows(tensor: Tensor) -> Tensor:
    """`tensor` (T, B, N), or a copy of it if its last dimension has gaps; T and B may have any stride."""
    has_rows = (tensor.stride(2) == 1 or tensor.shape[2] == 1) and not tensor.is_neg()
    return tensor if has_rows else tensor.resolve_neg().contiguous()


def contiguous(run: Run) -> Run:
    """`run` with its tensors laid out as the library wants them; a copy where one is not."""
    cell, x, h, c, lengths, weights, reverse, half = run
    return Run(
        cell, with_rows(x), h.contiguous(), None if c is None else c.contiguous(),
        None if lengths is None else lengths.contiguous(),
        [None if weight is None else weight.contiguous() for weight in weights], reverse, half,
    )  # fmt: skip


def fill(run: Run, output: Tensor, kept: Tensor | None) -> Problem:
    """The structure for the library, without what only one of the two passes wants.

    It holds addresses only: the caller keeps the tensors.

    Args:
        run: as `contiguous` gives it.
        output: (T, B, D H), with rows.
        kept: of `kept_shape`, or None.
    """
    cell, x, h, c, lengths, weights, reverse, half = run
    p = Problem()
    p.cell, p.reverse, p.half = CELLS[cell].native_id, reverse, half or x.dtype == torch.bfloat16
    p.wide_input = half and x.dtype == torch.float32
    p.threads = torch.get_num_threads()
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
        to.h0, to.c0, to.saved = part(h, d), part(c, d), part(kept, d)
    return p


def part(tensor: Tensor | None, d: int) -> int | None:
    """The address of `tensor[d]` in a contiguous tensor; None for None."""
    if tensor is None or d == 0:
        return None if tensor is None else tensor.data_ptr()
    return tensor.data_ptr() + d * tensor.stride(0) * tensor.element_size()
