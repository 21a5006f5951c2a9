"""Batches of any task taken apart without knowing what they hold: chosen rows, fewer steps, other futures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor

from seqloom.data.batching import IGNORE_INDEX, Selectable
from seqloom.inspection.checks.finding import NotApplicableError

Change = Callable[[str, Tensor], Tensor]
"""A tensor of a batch by its name, and what takes its place"""


def map_tensors(batch: Any, change: Change, name: str = "") -> Any:
    """A batch with its tensors changed, those in named tuples within it too; all else stays."""
    if isinstance(batch, Tensor):
        return change(name, batch)
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        fields: tuple[str, ...] = batch._fields  # type: ignore[attr-defined]
        parts = [map_tensors(part, change, field) for field, part in zip(fields, batch, strict=True)]
        return type(batch)(*parts)
    if isinstance(batch, tuple):
        return tuple(map_tensors(part, change, name) for part in batch)
    return batch


def named_tensors(batch: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a batch, with the names of their fields."""
    tensors: list[tuple[str, Tensor]] = []

    def note(name: str, tensor: Tensor) -> Tensor:
        tensors.append((name, tensor))
        return tensor

    map_tensors(batch, note)
    return iter(tensors)


def take_rows(batch: Any, rows: Sequence[int], size: int) -> Any:
    """Some rows of a batch, in this order, repeats allowed; its padding stays.

    Args:
        batch: a named tuple whose tensors have a row for each example, or one that is `Selectable`.
        rows: their numbers.
        size: rows of the batch.

    Raises:
        NotApplicableError: a tensor has other rows than the batch.

    >>> take_rows((torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]), ("a", "b")), [1, 1], 2)
    (tensor([[3, 0],
            [3, 0]]), tensor([1, 1]), ('b', 'b'))
    """
    if isinstance(batch, Selectable) and not isinstance(batch, Tensor | numpy.ndarray):
        return batch.take(numpy.asarray(rows))
    if isinstance(batch, Tensor | numpy.ndarray):
        if not batch.ndim or len(batch) != size:
            shape = tuple(batch.shape)
            raise NotApplicableError(f"a tensor of its batches, {shape}, has no row for each of {size} rows")
        return batch[list(rows)]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(take_rows(part, rows, size) for part in batch))
    if isinstance(batch, tuple) and any(isinstance(part, Tensor) for part in batch):
        return tuple(take_rows(part, rows, size) for part in batch)
    if isinstance(batch, Sequence) and not isinstance(batch, str) and len(batch) == size:
        return tuple(batch[row] for row in rows)
    return batch


def step_counts(batch: Any) -> list[int]:
    """The numbers of steps of a batch: what dimension 1 of its tensors is, the longest first."""
    return sorted({tensor.shape[1] for _, tensor in named_tensors(batch) if tensor.dim() > 1}, reverse=True)


def is_lengths(name: str, tensor: Tensor) -> bool:
    """Whether a tensor holds the valid steps of each row."""
    return name.endswith("lengths") and tensor.dim() == 1 and not tensor.is_floating_point()


def cut_steps(batch: Any, start: int, stop: int, steps: int) -> Any:
    """Steps `start` to `stop` of what has so many `steps`; lengths that are of them follow.

    >>> cut_steps((torch.tensor([[1, 2, 3]]), torch.tensor([[4, 5]])), 1, 3, steps=3)
    (tensor([[2, 3]]), tensor([[4, 5]]))
    """

    def cut(name: str, tensor: Tensor) -> Tensor:
        if tensor.dim() > 1 and tensor.shape[1] == steps:
            return tensor[:, start:stop]
        if is_lengths(name, tensor) and tensor.numel() and int(tensor.max()) == steps:
            return (tensor - start).clamp(0, stop - start)
        return tensor

    return map_tensors(batch, cut)


def swap_futures(batch: Any, step: int, steps: int) -> Any:
    """Give every row the steps from `step` on of the row before it, in what has so many `steps`.

    Targets with positions that no loss counts stay: no model reads them, and a loss may refuse others.

    >>> swap_futures((torch.tensor([[1, 2, 3], [4, 5, 6]]),), 2, steps=3)
    (tensor([[1, 2, 6],
            [4, 5, 3]]),)
    """

    def swap(name: str, tensor: Tensor) -> Tensor:
        del name
        if tensor.dim() < 2 or tensor.shape[1] != steps or bool((tensor == IGNORE_INDEX).any()):
            return tensor
        return torch.cat([tensor[:, :step], tensor[:, step:].roll(1, 0)], dim=1)

    return map_tensors(batch, swap)


def as_float64(batch: Any) -> Any:
    """A batch with its numbers in float64."""
    return map_tensors(batch, lambda _, tensor: tensor.double() if tensor.is_floating_point() else tensor)
