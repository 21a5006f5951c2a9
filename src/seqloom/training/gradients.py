"""Gradients: their norms, clipping, and where numbers stopped being finite.

Sparse gradients, of tables of which a batch uses a few rows, are left out of norms and clipping: Adagrad,
which applies them, does not depend on their size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def gradient_norm(model: nn.Module) -> Tensor:
    """The norm of the whole gradient: 0-dimensional."""
    return torch.nn.utils.get_total_norm([gradient for _, gradient in _dense_gradients(model)])


def clip_gradient(model: nn.Module, limit: float | None, norm: Tensor) -> bool:
    """Scale the whole gradient to norm `limit` if it is above that; None: never. Returns whether it was."""
    if limit is None or not norm > limit:
        return False
    dense = [p for p in model.parameters() if p.grad is not None and not p.grad.is_sparse]
    torch.nn.utils.clip_grads_with_norm_(dense, limit, norm)
    return True


def gradient_norms(model: nn.Module) -> dict[str, float]:
    """The norm of the gradient of each parameter, by the parameter's name."""
    named = _dense_gradients(model)
    if not named:
        return {}
    norms = torch.stack([gradient.float().norm() for _, gradient in named]).tolist()
    return {name: norm for (name, _), norm in zip(named, norms, strict=True)}


def first_not_finite(model: nn.Module, compute_loss: Callable[[], object]) -> str:
    """Name what stopped being finite first: a weight, a layer's output, else a parameter's gradient.

    Args:
        model: as it is after the backward pass that went wrong.
        compute_loss: runs the model on the same batch again.

    Returns:
        The end of a sentence: `in the output of layer layers.0`.
    """
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            return f"in the weights {name}"
    layers: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object, outputs: object) -> None:
            if not all(tensor.isfinite().all() for tensor in _tensors(outputs)):
                layers.append(name)

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in model.named_modules() if name]
    with torch.no_grad():
        compute_loss()
    for handle in handles:
        handle.remove()
    if layers:
        return f"in the output of layer {layers[0]}"
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        if gradient is not None and gradient.is_sparse:
            gradient = gradient.coalesce().values()
        if gradient is not None and not gradient.isfinite().all():
            return f"in the gradient of {name}"
    return "in the loss alone"


def _dense_gradients(model: nn.Module) -> list[tuple[str, Tensor]]:
    named = ((name, parameter.grad) for name, parameter in model.named_parameters())
    return [(name, gradient) for name, gradient in named if gradient is not None and not gradient.is_sparse]


def _tensors(outputs: object) -> list[Tensor]:
    if isinstance(outputs, tuple):
        return [tensor for part in outputs for tensor in _tensors(part)]
    return [outputs] if isinstance(outputs, Tensor) else []
