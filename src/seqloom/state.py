"""Recurrent states: a state is a tensor or a tuple of states, and dimension 1 of every tensor is the batch.

So decoding can reorder beams, and training can carry, split and store a state, without knowing the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from torch import Tensor

State: TypeAlias = "Tensor | tuple[State, ...]"
"""A recurrent state: `Tensor` (layers, batch, hidden), or a (named) tuple of states"""

S = TypeVar("S")


def map_state(function: Callable[[Tensor], Tensor], state: S) -> S:
    """Apply `function` to every tensor of `state`; named tuples keep their type.

    >>> import torch
    >>> map_state(lambda t: t + 1, (torch.zeros(1), torch.ones(1)))
    (tensor([1.]), tensor([2.]))
    """
    if isinstance(state, Tensor):
        return function(state)  # type: ignore[return-value]
    if isinstance(state, tuple):
        parts = [map_state(function, part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)  # type: ignore[return-value]
    raise TypeError(f"A state is a tensor or a tuple of states. Got {type(state).__name__}.")


def tensors_of(state: State) -> list[Tensor]:
    """The tensors of `state`, in order."""
    tensors: list[Tensor] = []
    map_state(lambda tensor: tensors.append(tensor) or tensor, state)
    return tensors


def with_tensors(state: S, tensors: Sequence[Tensor]) -> S:
    """`state` with its tensors replaced, in the order of `tensors_of`."""
    remaining = iter(tensors)
    return map_state(lambda _: next(remaining), state)


def detach(state: S) -> S:
    """The state detached from the graph, as truncated backpropagation needs it."""
    return map_state(lambda tensor: tensor.detach(), state)


def select_rows(state: S, rows: Tensor) -> S:
    """The batch rows `rows` (int64, shape (n,)) of every tensor, in that order, repeats allowed."""
    return map_state(lambda tensor: tensor.index_select(1, rows), state)
