"""The compiled kernels as differentiable torch operators, `seqloom::recurrence` and `…_backward`.

First gradients come from the library. Second and higher ones come from the reference kernel, which
is run only when they are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import Weights
from seqloom.cells.spec import CELLS
from seqloom.errors import DataError
from seqloom.kernels import reference
from seqloom.kernels.native import forward_backward
from seqloom.kernels.native.abi import WEIGHTS, Run
from seqloom.kernels.native.dispatch import Results, operator
from seqloom.kernels.recurrence import Request


def recurrence(
    run: Run, batch_first: bool = False, save: bool = False, mutable: bool = False
) -> forward_backward.Forward:
    """`forward_backward.forward`, differentiable any number of times.

    Args:
        run, batch_first, save: as of `forward_backward.forward`; values that gradients need are always saved.
        mutable: whether the output may be changed in place before the backward pass, which then reads a copy.

    Raises:
        DataError, ConfigError, MemoryError: as `forward_backward.forward`.
    """
    cell, x, h, c, lengths, weights, reverse, bf16 = run
    save = save or needs_gradient(x, h, c, *weights)
    output, h_n, c_n, saved = _recurrence(
        cell, x, h, c, lengths, *weights, reverse, bf16, batch_first, save, mutable
    )
    assert output is not None
    assert h_n is not None
    return output, h_n, None if c is None else c_n, saved


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Whether a gradient of one of `tensors` may be requested."""
    if torch.compiler.is_compiling():
        return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    if torch._C._are_functorch_transforms_active():
        return True  # a tensor does not tell whether another level of torch.func differentiates it
    return torch.is_grad_enabled() and torch._C._any_requires_grad(*tensors)


# Both operators begin with these arguments, so that each tensor has the same position in both.
_RUN = (
    "str cell, Tensor input, Tensor h, Tensor? c, Tensor? lengths, "
    + ", ".join(f"Tensor? {name}{end}" for end in ("", "_reverse") for name in WEIGHTS)
    + ", bool reverse, bool bf16, bool batch_first"
)
_TENSORS = (1, 2, 3, *range(5, 13))
"""The positions of input, h, c and the weights"""
_OUTPUT_GRADIENTS = (18, 19, 20)
"""The positions of the gradients of output, h_n and c_n, in the backward operator"""


def _read(arguments: tuple[Any, ...]) -> Run:
    cell, x, h, c, lengths, *rest = arguments
    return Run(cell, x, h, c, lengths, rest[:8], rest[8], rest[9])


def _forward(*arguments: Any) -> Results:
    *_, batch_first, save, _ = arguments
    return forward_backward.forward(_read(arguments), batch_first, save)


def _empty_forward(*arguments: Any) -> Results:
    *_, batch_first, save, _ = arguments
    return forward_backward.allocate_results(_read(arguments), batch_first, save)


def _setup_forward(ctx: Any, inputs: tuple[Any, ...], output: Results) -> None:
    cell, x, h, c, lengths, *weights, ctx.reverse, ctx.bf16, ctx.batch_first, save, mutable = inputs
    if CELLS[cell].num_saved_values and not save:
        raise DataError("seqloom::recurrence", "save must be True where gradients are needed", got=False)
    ctx.cell = cell
    sequence, _, c_n, saved = output
    assert sequence is not None
    ctx.save_for_backward(x, h, c, lengths, *weights, sequence.clone() if mutable else sequence, saved)
    ctx.mark_non_differentiable(*(t for t in (saved, c_n if c is None else None) if t is not None))
    ctx.set_materialize_grads(False)


def _backward_forward(ctx: Any, *gradients: Tensor | None) -> Results:
    needed, saved = ctx.needs_input_grad, ctx.saved_tensors
    computed = _recurrence_backward(
        ctx.cell, *saved[:12], ctx.reverse, ctx.bf16, ctx.batch_first, *saved[12:], *gradients[:3],
        needed[1], needed[2] or needed[3], True in needed[5:13],
    )  # fmt: skip
    full = _spread(computed, _TENSORS, len(needed))
    return tuple(gradient if need else None for gradient, need in zip(full, needed, strict=True))


_recurrence = operator(
    f"seqloom::recurrence({_RUN}, bool save, bool mutable) -> (Tensor, Tensor, Tensor, Tensor)",
    _forward, _empty_forward, _setup_forward, _backward_forward,
)  # fmt: skip


def _backward(*arguments: Any) -> Results:
    batch_first, output, saved, *rest = arguments[15:]
    gradients = forward_backward.OutputGradients(*rest[:3])
    requested = forward_backward.RequestedGradients(*rest[3:])
    return forward_backward.backward(_read(arguments), output, saved, gradients, requested, batch_first)


def _empty_backward(*arguments: Any) -> Results:
    return forward_backward.allocate_gradients(
        _read(arguments), forward_backward.RequestedGradients(*arguments[-3:]), arguments[15]
    )


def _setup_backward(ctx: Any, inputs: tuple[Any, ...], output: Results) -> None:  # noqa: ARG001
    ctx.cell, ctx.reverse = inputs[0], inputs[13]
    ctx.save_for_backward(*inputs[1:13], *(inputs[place] for place in _OUTPUT_GRADIENTS))
    ctx.set_materialize_grads(False)


def _backward_backward(ctx: Any, *second: Tensor | None) -> Results:
    """The gradients of the gradients, by the reference kernel."""
    x, h, c, lengths, *rest = ctx.saved_tensors
    tensors, d_outputs = [x, h, c, *rest[:8]], rest[8:]
    inputs, outputs = _present(tensors), _present(d_outputs)

    def forward(*values: Tensor) -> tuple[Tensor, ...]:
        results = _reference(ctx.cell, _spread(values, inputs, 11), lengths, ctx.reverse)
        return tuple(results[k] for k in outputs)

    def backward(d_values: tuple[Tensor, ...], values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return torch.func.vjp(forward, *values)[1](tuple(gradient.float() for gradient in d_values))

    with torch.autocast("cpu", enabled=False):
        present = tuple(d_outputs[k] for k in outputs), tuple(tensors[k] for k in inputs)
        first, vjp = torch.func.vjp(backward, *present)  # type: ignore[misc]
        cotangents = (
            torch.zeros_like(value) if second[k] is None else second[k]
            for k, value in zip(inputs, first, strict=True)
        )
        d_d_outputs, d_tensors = vjp(tuple(cotangents))
    positions = [_TENSORS[k] for k in inputs] + [_OUTPUT_GRADIENTS[k] for k in outputs]
    return tuple(_spread((*d_tensors, *d_d_outputs), positions, len(ctx.needs_input_grad)))


def _reference(
    cell: str, tensors: list[Tensor | None], lengths: Tensor | None, reverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    x, h, c, *weights = tensors
    assert x is not None
    assert h is not None
    initial = list(h) if c is None else [LSTMState(*pair) for pair in zip(h, c, strict=True)]
    results = [
        reference.run(
            Request(cell, x.float(), state, Weights(*weights[4 * d : 4 * d + 4]), lengths, reverse or d == 1)  # type: ignore[arg-type]
        )
        for d, state in enumerate(initial)
    ]
    output = torch.cat([result.output for result in results], dim=-1)
    states = [result.state if isinstance(result.state, LSTMState) else (result.state,) for result in results]
    return output, torch.stack([state[0] for state in states]), torch.stack([state[-1] for state in states])


def _present(tensors: Sequence[Tensor | None]) -> list[int]:
    return [position for position, tensor in enumerate(tensors) if tensor is not None]


def _spread(values: Sequence[Tensor | None], positions: Sequence[int], count: int) -> list[Tensor | None]:
    """A list of `count` with `values` at `positions`, else None."""
    spread: list[Tensor | None] = [None] * count
    for position, value in zip(positions, values, strict=True):
        spread[position] = value
    return spread


_recurrence_backward = operator(
    f"seqloom::recurrence_backward({_RUN}, Tensor output, Tensor? saved, Tensor? d_output, Tensor? d_h_n, "
    f"Tensor? d_c_n, bool input_gradient, bool state_gradient, bool weight_gradients) "
    f"-> ({', '.join(['Tensor'] * 11)})",
    _backward, _empty_backward, _setup_backward, _backward_backward,
)  # fmt: skip
