"""Say where numbers stopped being finite, and what the gradient of each layer is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """The norm of the gradient of each parameter."""
    named = [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]
    if not named:
        return {}
    norms = torch.stack([gradient.float().norm() for _, gradient in named]).tolist()
    return {name: norm for (name, _), norm in zip(named, norms, strict=True)}


def first_not_finite(model: nn.Module, compute_loss: Callable[[], object]) -> str:
    """Name the first thing that is not finite: a parameter, a layer's output, else a parameter's gradient.

    Args:
        model: as it is after the step that went wrong.
        compute_loss: runs the model on the same batch again.
    """
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            return f"in the weights {name}"
    found: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, outputs: object) -> None:
            if not all(tensor.isfinite().all() for tensor in _tensors(outputs)):
                found.append(name)

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in model.named_modules() if name]
    with torch.no_grad():
        compute_loss()
    for handle in handles:
        handle.remove()
    if found:
        return f"in the output of layer {found[0]}"
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            return f"in the gradient of {name}"
    return "in the loss alone"


def _tensors(outputs: object) -> list[Tensor]:
    if isinstance(outputs, tuple):
        return [tensor for part in outputs for tensor in _tensors(part)]
    return [outputs] if isinstance(outputs, Tensor) else []
