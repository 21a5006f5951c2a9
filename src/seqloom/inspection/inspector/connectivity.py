r"""How much each step of a recurrent stack depends on each input (Madsen 2019, doi:10.23915/distill.00016).

.. math:: C_{ts} = \left\| \partial h_t / \partial x_s \right\|_F

For all t at once: the input is repeated, a row for each t, and each row is differentiated at its own step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqloom.models.recurrent_stack import RecurrentStack

NUM_DIRECTIONS = 12
"""Of the output, along which it is differentiated; of so many units or fewer the norm is exact."""
MAX_ROWS = 64
"""That are differentiated together"""


class StackCall(NamedTuple):
    """One call of a recurrent stack."""

    name: str
    stack: RecurrentStack
    x: Tensor
    """(T, 1, I)"""
    state: Any


@contextmanager
def record_stacks(model: nn.Module) -> Iterator[list[StackCall]]:
    """Collect the calls of every recurrent stack of a model, in their order, while a block runs."""
    calls: list[StackCall] = []

    def hook(name: str) -> Any:
        def note(stack: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            x: Tensor = named["x"] if "x" in named else arguments[0]
            state = named.get("state", arguments[1] if len(arguments) > 1 else None)
            calls.append(StackCall(name, stack, x, state))

        return note

    handles = [
        stack.register_forward_pre_hook(hook(name), with_kwargs=True)
        for name, stack in model.named_modules()
        if isinstance(stack, RecurrentStack)
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def choose_call(calls: list[StackCall], steps: int) -> StackCall | None:
    """The call that reads so many steps of one row, of the first stack that has one; its last such call."""
    whole = [call for call in calls if call.x.dim() == 3 and call.x.shape[:2] == (steps, 1)]
    return next((call for call in reversed(whole) if call.name == whole[0].name), None)


def measure_connectivity(
    stack: nn.Module, x: Tensor, state: Any = None, num_directions: int = NUM_DIRECTIONS, seed: int = 0
) -> Tensor:
    """The norm of the derivative of every output step with respect to every input step.

    Args:
        stack: called as `stack(x, state)`, returns the output (T, B, H) first; in evaluation mode.
        x: (T, 1, I).
        state: before the first step, of one row; None: the stack's own.
        num_directions: random orthonormal directions of the output along which it is differentiated, scaled
            to the norm over all H; with H or more of them the norm is exact.
        seed: draws the directions.

    Returns:
        (T, T) on the CPU: row t, column s is the norm of d output_t / d input_s.

    >>> from seqloom.layers.recurrent import RNN
    >>> norms = measure_connectivity(RNN(3, 4), torch.randn(5, 1, 3))
    >>> norms.shape, norms.triu(1).abs().max().item()  # nothing depends on what comes later
    (torch.Size([5, 5]), 0.0)
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        x, state = _plain(x), _map(state, _plain)
        steps = len(x)
        total = x.new_zeros(steps, steps)
        for start in range(0, steps, MAX_ROWS):
            rows = torch.arange(start, min(start + MAX_ROWS, steps), device=x.device)
            inputs = x.expand(-1, len(rows), -1).clone().requires_grad_()
            repeated = _repeat(state, len(rows))
            output = stack(inputs, repeated)[0]
            directions = _directions(output.shape[-1], num_directions, seed).to(output)
            for place, direction in enumerate(directions):
                along = torch.zeros_like(output)
                along[rows, rows - start] = direction
                is_last = place == len(directions) - 1
                (gradient,) = torch.autograd.grad(output, inputs, along, retain_graph=not is_last)
                total[rows] += gradient.square().sum(-1).T
            total[rows] *= output.shape[-1] / len(directions)
        return total.sqrt().detach().cpu()


def _directions(size: int, count: int, seed: int) -> Tensor:
    """(count, size), orthonormal; all of a basis where there are so many."""
    if count >= size:
        return torch.eye(size, device="cpu")
    generator = torch.Generator(device="cpu").manual_seed(seed)
    drawn = torch.randn(size, count, generator=generator, dtype=torch.float64, device="cpu")
    return torch.linalg.qr(drawn)[0].T


def _repeat(state: Any, rows: int) -> Any:
    """A state of one row as that of several."""
    return _map(state, lambda value: value.expand(-1, rows, *value.shape[2:]).contiguous())


def _plain(value: Tensor) -> Tensor:
    """A copy that autograd takes, as it does not take tensors of inference mode."""
    return value.detach().clone()


def _map(state: Any, change: Any) -> Any:
    """The tensors of a state, changed."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else change(state)
    parts = [_map(part, change) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
