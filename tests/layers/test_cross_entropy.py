"""Output layer and cross-entropy in one function match torch's two."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqloom.layers import cross_entropy
from seqloom.layers.cross_entropy import output_cross_entropy

N, E, V = 17, 6, 9


def inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features, weight = (torch.randn(n, E, generator=generator, dtype=dtype) for n in (N, V))
    bias = torch.randn(V, generator=generator, dtype=dtype)
    targets = torch.randint(V, (N,), generator=generator)
    return features.requires_grad_(), weight.requires_grad_(), bias.requires_grad_(), targets


def expected_of(features: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    logits = F.linear(features, weight, bias)
    return F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("at_once", [1, 4 * V, 1 << 20], ids=["one row", "four rows", "all rows"])
def test_values_and_gradients_match_torch(
    smoothing: float, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_entropy, "LOGITS_AT_ONCE", at_once)
    *leaves, targets = inputs(torch.float64)
    weights = torch.randn(N, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = output_cross_entropy(*leaves, targets, smoothing)  # type: ignore[arg-type]
    expected = expected_of(*leaves, targets, smoothing)  # type: ignore[arg-type]
    # float64, sums of some ten terms
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    gradients = torch.autograd.grad(found, leaves, weights)
    for one, other in zip(gradients, torch.autograd.grad(expected, leaves, weights), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_large_logits_stay_finite() -> None:
    features, weight, bias, targets = inputs(torch.float32)
    found = output_cross_entropy(features * 1e4, weight, bias, targets)
    expected = expected_of(features * 1e4, weight, bias, targets, 0.0)
    torch.testing.assert_close(
        found, expected, rtol=1e-5, atol=1e-2
    )  # float32: logits near 1e5 have steps of 0.008


def test_empty_batch() -> None:
    features, weight, bias, targets = inputs(torch.float32)
    nats = output_cross_entropy(features[:0], weight, bias, targets[:0])
    nats.sum().backward()
    assert nats.shape == (0,)
    assert weight.grad is not None
    assert (weight.grad == 0).all()


def test_under_autocast_products_are_bfloat16_and_sums_float32() -> None:
    *leaves, targets = inputs(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = output_cross_entropy(*leaves, targets, 0.1)  # type: ignore[arg-type]
    expected = expected_of(*leaves, targets, 0.1)  # type: ignore[arg-type]
    assert found.dtype == torch.float32
    # bfloat16 has 8 bits: logits near 8 are off by 0.03
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.05)
    gradients = torch.autograd.grad(found.sum(), leaves)
    assert [gradient.dtype for gradient in gradients] == [torch.float32] * 3
    for one, other in zip(gradients, torch.autograd.grad(expected.sum(), leaves), strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.1)  # sums of 17 such terms


def test_values_without_gradients() -> None:
    *leaves, targets = inputs(torch.float64)
    with torch.inference_mode():
        found = output_cross_entropy(*leaves, targets)  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected_of(*leaves, targets, 0.0).detach(), rtol=1e-12, atol=1e-12)  # type: ignore[arg-type]
