"""The processes that train a model together: one, unless `torchrun` started several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, final

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from seqloom.data.batching import Batch, Shard
from seqloom.state import State
from seqloom.tasks.base import Context, Loss, Task

T = TypeVar("T")


@final
class Processes:
    """What all processes know together.

    Args:
        accelerator: the device of this process, and the way to the others.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.device = accelerator.device
        self.is_main = accelerator.is_main_process
        self.shard = Shard(accelerator.process_index, accelerator.num_processes)

    def sum(self, values: Tensor) -> Tensor:
        """The sum of every process's `values`, on all of them."""
        if self.shard.world_size == 1:
            return values
        total = self._accelerator.reduce(values, "sum")
        assert isinstance(total, Tensor)
        return total

    def sum_named(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sums of several tensors by name, in a single reduction."""
        total = self.sum(torch.cat([tensor.reshape(-1) for tensor in values.values()]))
        parts = total.split([tensor.numel() for tensor in values.values()])
        return {
            name: part.view(tensor.shape) for (name, tensor), part in zip(values.items(), parts, strict=True)
        }

    def gather(self, value: T) -> list[T]:
        """Every process's `value`, in the order of processes, on all of them."""
        return gather_object([value]) if self.shard.world_size > 1 else [value]

    def agree(self, stop: bool, seconds: float) -> tuple[bool, float]:
        """Whether any process was asked to stop, and the main process's clock: the same on all of them."""
        if self.shard.world_size == 1:
            return stop, seconds
        mine = torch.tensor([float(stop), seconds if self.is_main else 0.0], device=self.device)
        stops, seconds = self.sum(mine).tolist()
        return stops > 0, seconds


@final
class LossModule(nn.Module):
    """The loss of a task as a module: what averages gradients over processes sees one call for each.

    A task may call whatever its model has, an encoder and then a decoder; what wraps a module for several
    processes has `forward` alone.

    Args:
        task: computes the loss.
        model: that is trained.
    """

    def __init__(self, task: Task, model: nn.Module) -> None:
        super().__init__()
        self.model, self._task = model, task

    def forward(self, batch: Batch, state: State | None, context: Context) -> Loss:
        """`task.loss` of a batch, from the carried state on."""
        return self._task.loss(self.model, batch, state, context)
