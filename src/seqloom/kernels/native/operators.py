"""The compiled kernels with derivatives: `seqloom::recurrence` and `seqloom::recurrence_backward`.

The gradients of a run come from the library. The gradients of those come from the reference kernel, which is
run when they are asked for, and can be differentiated as often as one likes.
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


def recurrence(run: Run, batch_first: bool = False, keep: bool = False) -> forward_backward.Forward:
    """`forward_backward.forward`, differentiable any number of times.

    Args:
        run, batch_first, keep: as of `forward_backward.forward`; what gradients need is kept in any case.

    Raises:
        DataError, ConfigError, MemoryError: as `forward_backward.forward`.
    """
    cell, x, h, c, lengths, weights, reverse, half = run
    keep = keep or needs_gradient(x, h, c, *weights)
    output, h_n, c_n, kept = _recurrence(cell, x, h, c, lengths, *weights, reverse, half, batch_first, keep)
    assert output is not None
    assert h_n is not None
    return output, h_n, None if c is None else c_n, kept


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Whether somebody may ask for a gradient of one of `tensors`."""
    if torch.compiler.is_compiling():
        return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    if torch._C._are_functorch_transforms_active():
        return True  # a tensor does not say what other levels of torch.func want of it
    return torch.is_grad_enabled() and torch._C._any_requires_grad(*tensors)


# Both operators begin with these, so that the places of tensors are those of their gradients.
_RUN = (
    "str cell, Tensor input, Tensor h, Tensor? c, Tensor? lengths, "
    + ", ".join(f"Tensor? {name}{end}" for end in ("", "_reverse") for name in WEIGHTS)
    + ", bool reverse, bool half, bool batch_first"
)
_TENSORS = (1, 2, 3, *range(5, 13))
"""The places of input, h, c and the weights"""
_ABOVE = (18, 19, 20)
"""The places of the gradients of output, h_n and c_n, for the backward pass"""


def _read(arguments: tuple[Any, ...]) -> Run:
    cell, x, h, c, lengths, *rest = arguments
    return Run(cell, x, h, c, lengths, rest[:8], rest[8], rest[9])


def _forward(*arguments: Any) -> Results:
    *_, batch_first, keep = arguments
    return forward_backward.forward(_read(arguments), batch_first, keep)


def _empty_forward(*arguments: Any) -> Results:
    *_, batch_first, keep = arguments
    return forward_backward.empty_results(_read(arguments), batch_first, keep)


def _setup_forward(ctx: Any, inputs: tuple[Any, ...], output: Results) -> None:
    cell, x, h, c, lengths, *weights, ctx.reverse, ctx.half, ctx.batch_first, keep = inputs
    if CELLS[cell].num_saved_values and not keep:
        raise DataError("seqloom::recurrence", "gradients need what only keep=True keeps", got=False)
    ctx.cell = cell
    sequence, _, c_n, kept = output
    ctx.save_for_backward(x, h, c, lengths, *weights, sequence, kept)
    ctx.mark_non_differentiable(*(t for t in (kept, c_n if c is None else None) if t is not None))
    ctx.set_materialize_grads(False)


def _backward_forward(ctx: Any, *given: Tensor | None) -> Results:
    needed, saved = ctx.needs_input_grad, ctx.saved_tensors
    gradients = _recurrence_backward(
        ctx.cell, *saved[:12], ctx.reverse, ctx.half, ctx.batch_first, *saved[12:], *given[:3],
        needed[1], needed[2] or needed[3], True in needed[5:13],
    )  # fmt: skip
    full = _spread(gradients, _TENSORS, len(needed))
    return tuple(gradient if need else None for gradient, need in zip(full, needed, strict=True))


_recurrence = operator(
    f"seqloom::recurrence({_RUN}, bool keep) -> (Tensor, Tensor, Tensor, Tensor)",
    _forward, _empty_forward, _setup_forward, _backward_forward,
)  # fmt: skip


def _backward(*arguments: Any) -> Results:
    batch_first, output, kept, *rest = arguments[15:]
    given, wanted = forward_backward.Given(*rest[:3]), forward_backward.Wanted(*rest[3:])
    return forward_backward.backward(_read(arguments), output, kept, given, wanted, batch_first)


def _empty_backward(*arguments: Any) -> Results:
    return forward_backward.empty_gradients(
        _read(arguments), forward_backward.Wanted(*arguments[-3:]), arguments[15]
    )


def _setup_backward(ctx: Any, inputs: tuple[Any, ...], output: Results) -> None:  # noqa: ARG001
    ctx.cell, ctx.reverse = inputs[0], inputs[13]
    ctx.save_for_backward(*inputs[1:13], *(inputs[place] for place in _ABOVE))
    ctx.set_materialize_grads(False)


def _backward_backward(ctx: Any, *given: Tensor | None) -> Results:
    """The gradients of the gradients, through the reference kernel."""
    x, h, c, lengths, *rest = ctx.saved_tensors
    tensors, above = [x, h, c, *rest[:8]], rest[8:]
    run, seen = _present(tensors), _present(above)

    def outputs(*some: Tensor) -> tuple[Tensor, ...]:
        results = _reference(ctx.cell, _spread(some, run, 11), lengths, ctx.reverse)
        return tuple(results[k] for k in seen)

    def gradients(above: tuple[Tensor, ...], some: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return torch.func.vjp(outputs, *some)[1](tuple(gradient.float() for gradient in above))

    with torch.autocast("cpu", enabled=False):
        inputs = tuple(above[k] for k in seen), tuple(tensors[k] for k in run)
        first, pull = torch.func.vjp(gradients, *inputs)  # type: ignore[misc]
        zeroed = (
            torch.zeros_like(value) if given[k] is None else given[k]
            for k, value in zip(run, first, strict=True)
        )
        d_above, d_tensors = pull(tuple(zeroed))
    places = [_TENSORS[k] for k in run] + [_ABOVE[k] for k in seen]
    return tuple(_spread((*d_tensors, *d_above), places, len(ctx.needs_input_grad)))


def _reference(
    cell: str, tensors: list[Tensor | None], lengths: Tensor | None, reverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    x, h, c, *weights = tensors
    assert x is not None
    assert h is not None
    states = list(h) if c is None else [LSTMState(*pair) for pair in zip(h, c, strict=True)]
    results = [
        reference.run(
            Request(cell, x.float(), state, Weights(*weights[4 * d : 4 * d + 4]), lengths, reverse or d == 1)  # type: ignore[arg-type]
        )
        for d, state in enumerate(states)
    ]
    output = torch.cat([result.output for result in results], dim=-1)
    ended = [result.state if isinstance(result.state, LSTMState) else (result.state,) for result in results]
    return output, torch.stack([state[0] for state in ended]), torch.stack([state[-1] for state in ended])


def _present(tensors: Sequence[Tensor | None]) -> list[int]:
    return [place for place, tensor in enumerate(tensors) if tensor is not None]


def _spread(values: Sequence[Tensor | None], places: Sequence[int], count: int) -> list[Tensor | None]:
    """`count` places with nothing in them but `values` at theirs."""
    found: list[Tensor | None] = [None] * count
    for place, value in zip(places, values, strict=True):
        found[place] = value
    return found


_recurrence_backward = operator(
    f"seqloom::recurrence_backward({_RUN}, Tensor output, Tensor? kept, Tensor? d_output, Tensor? d_h_n, "
    f"Tensor? d_c_n, bool want_input, bool want_state, bool want_weights) -> ({', '.join(['Tensor'] * 11)})",
    _backward, _empty_backward, _setup_backward, _backward_backward,
)  # fmt: skip
