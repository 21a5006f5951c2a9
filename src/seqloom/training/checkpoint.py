"""The checkpoint: all that a training needs to resume as if it had never stopped, in one file.

`resume/checkpoint.safetensors` holds the current weights, the optimizer's tensors, and for each process the
carried state and the random state; its metadata holds the `TrainingState` as JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqloom.errors import RunError
from seqloom.files import keep_previous
from seqloom.runs import weights
from seqloom.training.optimizer import Optimizers
from seqloom.training.state import TrainingState

FILE = Path("resume") / "checkpoint.safetensors"
PREVIOUS = Path("resume") / "previous.safetensors"
"""The checkpoint before it, which is taken where it is damaged"""


class Checkpoint(NamedTuple):
    """A training state with its tensors."""

    state: TrainingState
    data_path: str
    data_digest: str
    model: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    """By the number that the optimizer gives a parameter."""
    processes: list[list[Tensor]]
    """For each process: its random state, then the tensors of the state it carries."""
    average: dict[str, Tensor]
    """The averaged weights; empty without `training.averaging`."""
    damage: str = ""
    """What is wrong with the checkpoint after it, because of which this one was read."""


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint of a run folder.

    Raises:
        RunError: the weights are not finite, or the disk is full; the last good checkpoint stays.
    """
    for name, tensor in checkpoint.model.items():
        if not _is_finite(tensor):
            raise RunError(
                f"training, step {checkpoint.state.step}", "weights must be finite", got=f"{name} is not"
            )
    tensors = {f"model.{name}": tensor for name, tensor in checkpoint.model.items()}
    tensors |= {f"average.{name}": tensor for name, tensor in checkpoint.average.items()}
    for number, state in checkpoint.optimizer.items():
        tensors |= {f"optimizer.{number}.{key}": tensor for key, tensor in state.items()}
    for number, own in enumerate(checkpoint.processes):
        tensors |= {f"process.{number}.{place}": tensor for place, tensor in enumerate(own)}
    metadata = {
        "state": json.dumps(checkpoint.state.to_dict()),
        "data": json.dumps({"path": checkpoint.data_path, "digest": checkpoint.data_digest}),
        "processes": str(len(checkpoint.processes)),
    }
    keep_previous(folder / FILE, folder / PREVIOUS)
    weights.write(folder / FILE, tensors, metadata)


def _is_finite(tensor: Tensor) -> bool:
    """By the least and the greatest value, NaN if any is, which one pass finds without memory of its own."""
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return True
    return all(bool(end.isfinite()) for end in tensor.aminmax())


def load(folder: Path) -> Checkpoint:
    """Read the last checkpoint of a run folder, or the one before it where that is damaged.

    Raises:
        RunError: there is none, or both are damaged.
    """
    try:
        return _load(folder / FILE)
    except RunError as error:
        try:
            return _load(folder / PREVIOUS)._replace(damage=str(error))
        except RunError:
            raise error from None


def data_path(folder: Path) -> Path:
    """Where the data was that a training learnt from, by its checkpoint.

    Raises:
        RunError: there is no checkpoint, or it does not say it.
    """
    path = folder / FILE
    try:
        return Path(json.loads(weights.read_metadata(path)["data"])["path"])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        got = f"{type(error).__name__}: {error}"
        raise RunError(path, "expected a checkpoint of this version", got=got) from None


def find_data(folder: Path, purpose: str) -> Path:
    """Where the data lies that a run was trained on, for those who name no other.

    Args:
        folder: a run folder.
        purpose: what it is needed for, in the words of an error: `the series to go on with`.

    Raises:
        RunError: the run folder does not say it, or it is not there any more.
    """
    got = "none"
    if (folder / FILE).exists():
        path = data_path(folder)
        if path.exists():
            return path
        got = f"none, and nothing is at {path} any more"
    raise RunError(folder, f"expected DATA, {purpose}", got=got)


def _load(path: Path) -> Checkpoint:
    tensors, metadata = weights.read(path)
    try:
        # Checkpoints of earlier versions call it the position.
        state = TrainingState.from_dict(json.loads(metadata.get("state") or metadata["position"]))
        data = json.loads(metadata["data"])
        path_before, digest = data["path"], data["digest"]
        if not isinstance(path_before, str) or not isinstance(digest, str):
            raise TypeError("data that is named by no text")
        count = int(metadata["processes"])
        if not 1 <= count <= max(len(tensors), 1):
            raise ValueError(f"{count} processes")
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
    except (KeyError, ValueError, TypeError, IndexError, RecursionError) as error:
        raise RunError(
            path, "expected a checkpoint of this version", got=f"{type(error).__name__}: {error}"
        ) from None
    ordered = [[process[place] for place in sorted(process)] for process in processes]
    return Checkpoint(state, path_before, digest, model, optimizer, ordered, average)


def refuse_other_training(checkpoint: Checkpoint, data_digest: str, num_processes: int) -> None:
    """A training goes on with the data and the number of processes that it began with.

    Raises:
        RunError: either is another.
    """
    where = f"--resume from step {checkpoint.state.step}"
    if checkpoint.data_digest != data_digest:
        expected = f"the training data must be what it was ({checkpoint.data_path})"
        hint = "Name the old data, or begin a new run with --out"
        raise RunError(where, expected, got="other data", hint=hint)
    if len(checkpoint.processes) != num_processes:
        expected = f"expected {len(checkpoint.processes)} process(es), as before"
        raise RunError(where, expected, got=num_processes)


def optimizer_tensors(optimizer: torch.optim.Optimizer | Optimizers) -> dict[int, dict[str, Tensor]]:
    """The optimizer's tensors, by parameter number; a parameter that has had no gradient has none."""
    return {
        number: {key: value for key, value in values.items() if isinstance(value, Tensor)}
        for number, values in optimizer.state_dict()["state"].items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer | Optimizers, tensors: dict[int, dict[str, Tensor]]
) -> None:
    """Put back what `optimizer_tensors` read.

    Raises:
        ValueError: a tensor has not the shape of its parameter, which kernels take it to have.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, values in tensors.items():
        shape = parameters[number].shape if 0 <= number < len(parameters) else None
        for key, tensor in values.items():
            if tensor.shape not in ((), shape) or not tensor.is_floating_point():
                raise ValueError(f"another shape or type of {key} of parameter {number}")
    saved: dict[str, Any] = optimizer.state_dict()
    saved["state"] = tensors
    optimizer.load_state_dict(saved)


def random_state(device: torch.device) -> Tensor:
    """State of the random generator that dropout on `device` draws from: (n,) uint8."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def restore_random_state(state: Tensor, device: torch.device) -> None:
    """Put back what `random_state` read."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
