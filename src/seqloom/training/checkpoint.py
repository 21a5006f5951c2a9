"""All that a training needs to go on as if it had never stopped, in one file that is replaced at once.

`resume/checkpoint.safetensors` holds the current weights, the optimizer's tensors, and of each process the
carried state and the random state; its metadata holds the position as JSON.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqloom.errors import RunError
from seqloom.files import write_atomically
from seqloom.runs import weights

FILE = Path("resume") / "checkpoint.safetensors"


@dataclasses.dataclass
class Position:
    """Where a training is. Everything the loop decides by is here, in the weights or in the configuration."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    """The next batch of the epoch."""
    seconds: float = 0.0
    learning_rate_scale: float = 1.0
    best_loss: float | None = None
    best_step: int = 0
    stale_validations: int = 0
    """Validations since the best."""
    plateau_validations: int = 0
    """The same, counted from the last change of the learning rate."""
    clipped_steps: int = 0
    recent: dict[str, float | list[float]] = dataclasses.field(default_factory=dict)
    """Sums since the last record: nats, units, and what else the task counts."""
    metrics_bytes: int = 0
    """Length of metrics.jsonl: what was written after this checkpoint is written again."""
    validated_step: int = -1
    """The last step after which the model was measured."""
    finished: str = ""
    """Why the training is over; empty while it is not."""


class Checkpoint(NamedTuple):
    """A position with its tensors."""

    position: Position
    data_path: str
    data_digest: str
    model: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    """By the number that the optimizer gives a parameter"""
    processes: list[list[Tensor]]
    """Of each process: its random state, then the tensors of the state it carries"""
    average: dict[str, Tensor]
    """The averaged weights; empty where none are kept"""


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint of a run folder.

    Raises:
        RunError: the weights are not finite, or the disk is full; the last good checkpoint stays.
    """
    for name, tensor in checkpoint.model.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise RunError(
                f"training, step {checkpoint.position.step}", "weights must be finite", got=f"{name} is not"
            )
    tensors = {f"model.{name}": tensor for name, tensor in checkpoint.model.items()}
    tensors |= {f"average.{name}": tensor for name, tensor in checkpoint.average.items()}
    for number, state in checkpoint.optimizer.items():
        tensors |= {f"optimizer.{number}.{key}": tensor for key, tensor in state.items()}
    for number, kept in enumerate(checkpoint.processes):
        tensors |= {f"process.{number}.{place}": tensor for place, tensor in enumerate(kept)}
    metadata = {
        "position": json.dumps(dataclasses.asdict(checkpoint.position)),
        "data": json.dumps({"path": checkpoint.data_path, "digest": checkpoint.data_digest}),
        "processes": str(len(checkpoint.processes)),
    }
    write_atomically(folder / FILE, weights.to_bytes(tensors, metadata))


def load(folder: Path) -> Checkpoint:
    """Read the checkpoint of a run folder.

    Raises:
        RunError: there is none, or it is damaged.
    """
    path = folder / FILE
    tensors, metadata = weights.read(path)
    try:
        position = Position(**json.loads(metadata["position"]))
        data = json.loads(metadata["data"])
        count = int(metadata["processes"])
        model, average = (
            {name.removeprefix(kind): tensor for name, tensor in tensors.items() if name.startswith(kind)}
            for kind in ("model.", "average.")
        )
        optimizer: dict[int, dict[str, Tensor]] = {}
        processes: list[dict[int, Tensor]] = [{} for _ in range(count)]
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            number, _, key = rest.partition(".")
            if kind == "optimizer":
                optimizer.setdefault(int(number), {})[key] = tensor
            elif kind == "process":
                processes[int(number)][int(key)] = tensor
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise RunError(
            path, "expected a checkpoint of this version", got=f"{type(error).__name__}: {error}"
        ) from None
    kept = [[process[place] for place in sorted(process)] for process in processes]
    return Checkpoint(position, data["path"], data["digest"], model, optimizer, kept, average)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:
    """The optimizer's tensors of each parameter that has had a gradient."""
    state = optimizer.state_dict()["state"]
    return {
        number: {key: value for key, value in kept.items() if isinstance(value, Tensor)}
        for number, kept in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[int, dict[str, Tensor]]) -> None:
    """Give the optimizer its tensors back."""
    saved: dict[str, Any] = optimizer.state_dict()
    saved["state"] = tensors
    optimizer.load_state_dict(saved)


def random_state(device: torch.device) -> Tensor:
    """The state of the generator that dropout on `device` draws from: (n,) uint8."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def restore_random_state(state: Tensor, device: torch.device) -> None:
    """The other way."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
