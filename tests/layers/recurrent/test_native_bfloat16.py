"""The layers on the compiled kernels in bfloat16, by autocast and with weights of that type.

Where the processor has no bfloat16, the kernels compute in float32 and only the results are bfloat16.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqloom.kernels.native import library
from seqloom.layers.recurrent import LSTM

from .twins import CELLS, LENGTHS, B, I, T, close, parts, random_state, results, twins, wide

pytestmark = pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")
# bfloat16 keeps 8 bits, so each of 6 steps in 2 layers rounds by 2^-9 of values up to 1.
TOLERANCE = {"rtol": 0, "atol": 0.06}


@pytest.fixture(params=["bfloat16", "float32"])
def computed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The type in which the kernels compute."""
    if request.param == "float32":
        monkeypatch.setattr(library, "has_bfloat16", lambda: False)
    elif not library.has_bfloat16():
        pytest.skip("the processor has no bfloat16")
    return request.param


@pytest.mark.usefixtures("computed")
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
            saved = layer.trace(x, lengths=lengths)
    assert {value.dtype for value in (output, again, *parts(state))} == {torch.bfloat16}
    close([output, *parts(state)], [expected, *parts(last)], **TOLERANCE)
    slow = exact.trace(wide(x), lengths=lengths)
    for mine, stored, other in zip(traced.gates, saved.gates, slow.gates, strict=True):
        assert {value.dtype for value in (*mine, *stored)} == {torch.bfloat16}
        close(list(mine), list(other), **TOLERANCE)
        close(list(stored), list(other), **TOLERANCE)
    gradients = torch.autograd.grad(output.float().sum(), [x, *layer.parameters()])
    assert {gradient.dtype for gradient in gradients} == {torch.float32}
    others = torch.autograd.grad(expected.sum(), list(exact.parameters()))
    for mine, other in zip(gradients[1:], others, strict=True):
        # As `TOLERANCE`, of a sum over all steps and rows as a whole.
        assert (mine - other).norm() <= 0.03 * other.norm() + 1e-2


@pytest.mark.usefixtures("computed")
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_bfloat16_layer(Layer: Any, options: dict[str, Any]) -> None:
    layer, exact = twins(Layer, bidirectional=True, **options)
    layer.bfloat16()
    x, state = torch.randn(T, B, I).bfloat16().requires_grad_(), random_state(layer)
    mine, expected = results(layer, x, state, LENGTHS), results(exact, wide(x), wide(state), LENGTHS)
    assert {value.dtype for value in mine} == {torch.bfloat16}
    count = 1 + len(parts(state))
    close(mine[:count], expected[:count], **TOLERANCE)
    for value, other in zip(mine[count:], expected[count:], strict=True):
        assert (value - other).norm() <= 0.05 * other.norm() + 1e-2  # the weights are rounded too
    traced = layer.trace(x, state, LENGTHS)
    with torch.no_grad():
        saved = layer.trace(x, state, LENGTHS)
    for mine, stored in zip(traced.gates, saved.gates, strict=True):
        assert {value.dtype for value in (*mine, *stored)} == {torch.bfloat16}
        close(list(mine), list(stored), **TOLERANCE)


def test_choice_says_that_it_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, _ = twins(LSTM)
    layer.kernel = "auto"
    monkeypatch.setattr(library, "has_bfloat16", lambda: False)
    target = library.CPU_TARGETS[library.cpu_target()]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        chosen = layer.choice(torch.randn(T, B, I))
    reason = f"the compiled kernel is the fastest here, in float32, as {target} has no bfloat16"
    assert chosen == ("native", reason)
    assert layer.choice(torch.randn(T, B, I)).reason == "the compiled kernel is the fastest here"
