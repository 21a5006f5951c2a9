r"""Jacobian products of recurrences: how much of a gradient is left so many steps back.

.. math:: \frac{\partial h_T}{\partial h_{T-k}} = \prod_{j=0}^{k-1} \mathrm{diag}(1 - h_{T-j}^2) W
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

TINY = 1e-300
"""What a norm counts as that float64 cannot hold, so that it has a logarithm"""


def random_weight(units: int, radius: float, seed: int) -> Tensor:
    """A Gaussian matrix (H, H), float64, scaled to a spectral radius.

    >>> weight = random_weight(8, 0.9, seed=0)
    >>> round(float(torch.linalg.eigvals(weight).abs().max()), 6)
    0.9
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    weight = torch.randn(units, units, dtype=torch.float64, generator=generator, device="cpu")
    return weight * radius / torch.linalg.eigvals(weight).abs().max()


def norms_by_lag(weight: Tensor, inputs: Tensor) -> Tensor:
    """The spectral norm of d h_T / d h_(T - k) of a tanh RNN, for k = 1 … T.

    Args:
        weight: W (H, H), float64.
        inputs: (T, H), what is added before tanh at each step; zeros: the recurrence is linear.

    >>> norms_by_lag(0.5 * torch.eye(2, dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64)).tolist()
    [0.5, 0.25, 0.125]
    """
    weight = weight.detach()
    h, states = torch.zeros_like(inputs[0]), []
    for x in inputs:
        h = torch.tanh(weight @ h + x)
        states.append(h)
    product = torch.eye(len(weight), dtype=weight.dtype)
    norms = []
    for h in reversed(states):
        product = product @ ((1 - h**2).unsqueeze(1) * weight)
        norms.append(torch.linalg.matrix_norm(product, 2).clamp(min=TINY))
    return torch.stack(norms)


def state_gradient_by_lag(layer: Any, x: Tensor, seed: int = 0) -> Tensor:
    """The norm of the gradient of v . h_T with respect to the state k steps before, k = 0 … T - 1.

    Args:
        layer: one-way, of one layer.
        x: (T, B, I).
        seed: of v, a random direction of norm 1.
    """
    state, states = None, []
    for step in x.split(1):
        _, state = layer.step(step, state)
        parts = [state] if isinstance(state, Tensor) else list(state)
        parts = [part.detach().requires_grad_() if not states else part for part in parts]
        for part in parts:
            part.retain_grad()
        state = parts[0] if isinstance(state, Tensor) else type(state)(*parts)
        states.append(parts)
    generator = torch.Generator("cpu").manual_seed(seed)
    h = states[-1][0]
    v = torch.randn(h.shape[-1], generator=generator, dtype=x.dtype, device="cpu")
    (h @ (v / v.norm())).sum().backward()
    gradients = [torch.cat([part.grad for part in parts if part.grad is not None], -1) for parts in states]
    return torch.stack([gradient.norm(dim=-1).mean() for gradient in reversed(gradients)])
