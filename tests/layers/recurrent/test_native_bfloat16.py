"""The layers on the compiled kernels in bfloat16: by autocast, and with weights of that type."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqloom.kernels.native import library

from .twins import CELLS, LENGTHS, B, I, T, close, parts, random_state, results, twins, wide

pytestmark = pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")
needs_bfloat16 = pytest.mark.skipif(library.level() < 3, reason="the processor has no bfloat16")
# bfloat16 keeps 8 bits, so each of 6 steps in 2 layers rounds by 2^-9 of values up to 1.
HALF = {"rtol": 0, "atol": 0.06}


@needs_bfloat16
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_autocast(Layer: Any, options: dict[str, Any], lengths: list[int] | None) -> None:
    layer, exact = twins(Layer, bidirectional=True, **options)
    x = torch.randn(T, B, I, requires_grad=True)
    expected, last = exact(wide(x), lengths=lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, state = layer(x, lengths=lengths)
        again, _ = layer(x, state, lengths)
        layer(output[..., :I], state)
        traced = layer.trace(x, lengths=lengths)
        with torch.no_grad():
            kept = layer.trace(x, lengths=lengths)
    assert {value.dtype for value in (output, again, *parts(state))} == {torch.bfloat16}
    close([output, *parts(state)], [expected, *parts(last)], **HALF)
    slow = exact.trace(wide(x), lengths=lengths)
    for mine, stored, other in zip(traced.gates, kept.gates, slow.gates, strict=True):
        assert {value.dtype for value in (*mine, *stored)} == {torch.bfloat16}
        close(list(mine), list(other), **HALF)
        close(list(stored), list(other), **HALF)
    gradients = torch.autograd.grad(output.float().sum(), [x, *layer.parameters()])
    assert {gradient.dtype for gradient in gradients} == {torch.float32}
    others = torch.autograd.grad(expected.sum(), list(exact.parameters()))
    for mine, other in zip(gradients[1:], others, strict=True):
        # As `HALF`, of a sum over all steps and rows as a whole.
        assert (mine - other).norm() <= 0.03 * other.norm() + 1e-2


@needs_bfloat16
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_a_layer_in_bfloat16(Layer: Any, options: dict[str, Any]) -> None:
    layer, exact = twins(Layer, bidirectional=True, **options)
    layer.bfloat16()
    x, state = torch.randn(T, B, I).bfloat16().requires_grad_(), random_state(layer)
    mine, expected = results(layer, x, state, LENGTHS), results(exact, wide(x), wide(state), LENGTHS)
    assert {value.dtype for value in mine} == {torch.bfloat16}
    count = 1 + len(parts(state))
    close(mine[:count], expected[:count], **HALF)
    for value, other in zip(mine[count:], expected[count:], strict=True):
        assert (value - other).norm() <= 0.05 * other.norm() + 1e-2  # the weights are rounded too
    traced = layer.trace(x, state, LENGTHS)
    with torch.no_grad():
        kept = layer.trace(x, state, LENGTHS)
    for mine, stored in zip(traced.gates, kept.gates, strict=True):
        assert {value.dtype for value in (*mine, *stored)} == {torch.bfloat16}
        close(list(mine), list(stored), **HALF)
