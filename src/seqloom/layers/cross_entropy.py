r"""Output layer and cross-entropy in one function, for large vocabularies.

.. math::

    z_n &= W f_n + b \\
    \ell_n &= \log \sum_v e^{z_{nv}} - (1 - \epsilon) z_{n y_n} - \frac{\epsilon}{V} \sum_v z_{nv} \\
    \partial \ell_n / \partial z_{nv} &= \mathrm{softmax}(z_n)_v - (1 - \epsilon) [v = y_n] - \epsilon / V

With label smoothing ε (Szegedy et al., 2016, arXiv:1512.00567). The logits of all positions would be the
largest tensor in training, read and written some ten times by log-softmax, loss and their backwards. Here
they are computed for a block of rows at a time, which stays in the cache, and only their gradient is stored.
Forward computes it, and backward scales it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LOGITS_AT_ONCE = 1 << 20
"""Elements of a block: 4 MB, about a core's cache."""


def output_cross_entropy(
    features: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """The cross-entropy of `targets` under an output layer.

    Under autocast products are computed in its type, sums in float32 at least.

    Args:
        features: f, (N, E).
        weight: W, (V, E).
        bias: b, (V,).
        targets: y, (N,) int64.
        label_smoothing: ε, from 0 to 1.

    Returns:
        (N,) nats, which can be differentiated once.

    >>> features, weight, bias = torch.randn(3, 4), torch.randn(5, 4), torch.zeros(5)
    >>> targets = torch.tensor([1, 0, 4])
    >>> nats = output_cross_entropy(features, weight, bias, targets)
    >>> logits = features @ weight.T + bias
    >>> torch.allclose(nats, torch.nn.functional.cross_entropy(logits, targets, reduction="none"), atol=1e-5)
    True
    """
    device = features.device.type
    if torch.is_autocast_enabled(device) and features.dtype != torch.float64:
        features = features.to(torch.get_autocast_dtype(device))
    return _OutputCrossEntropy.apply(features, weight, bias, targets, label_smoothing)  # type: ignore[return-value]


class _OutputCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float
    ) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            low, classes = weight.to(features.dtype), weight.shape[0]
            wide = torch.promote_types(features.dtype, torch.float32)
            nats = features.new_empty(len(features), dtype=wide)
            gradient = features.new_empty(len(features), classes) if any(ctx.needs_input_grad) else None
            size = max(LOGITS_AT_ONCE // classes, 1)
            for start in range(0, len(features), size):
                rows = slice(start, start + size)
                target = targets[rows, None]
                logits = torch.mm(features[rows], low.T).to(wide).add_(bias)
                logits -= logits.amax(1, keepdim=True)
                expected = (1 - smoothing) * logits.gather(1, target)
                if smoothing:
                    expected += smoothing * logits.mean(1, keepdim=True)
                probabilities = logits.exp_()
                total = probabilities.sum(1, keepdim=True)
                nats[rows] = (total.log() - expected)[:, 0]
                if gradient is not None:
                    probabilities /= total
                    probabilities.scatter_add_(1, target, probabilities.new_full(target.shape, smoothing - 1))
                    gradient[rows] = probabilities.sub_(smoothing / classes) if smoothing else probabilities
        if gradient is not None:
            ctx.save_for_backward(features, low, gradient)
        return nats

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_nats: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:  # type: ignore[override]
        features, low, gradient = ctx.saved_tensors
        with torch.autocast(features.device.type, enabled=False):
            scale = d_nats.to(features.dtype)[:, None]
            d_features = torch.mm(gradient, low) * scale
            scaled = torch.cat([features * scale, scale], 1)  # the last column is for the bias
            d_weights = torch.mm(gradient.T, scaled).to(d_nats.dtype)
        return d_features, d_weights[:, :-1], d_weights[:, -1], None, None
