"""Tensors to safetensors bytes and back; a tensor that two names share is written once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from seqloom.errors import RunError


def to_bytes(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file.

    Raises:
        RunError: it is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise RunError(path, "expected a safetensors file", got=str(error) or "nothing") from None


def unique_state(model: nn.Module) -> dict[str, Tensor]:
    """The state_dict without second names of the same tensor (tied weights)."""
    seen: set[int] = set()
    found = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen or tensor.numel() == 0:
            seen.add(tensor.data_ptr())
            found[name] = tensor
    return found


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put `tensors` into `model`, which must have just these.

    Raises:
        RunError: a name or a shape does not fit.
    """
    own = unique_state(model)
    wrong = sorted(set(own) ^ set(tensors)) or [n for n in own if own[n].shape != tensors[n].shape]
    if wrong:
        raise RunError(
            path, "must hold the parameters that config.json describes", got=f"a difference at {wrong[0]}"
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
