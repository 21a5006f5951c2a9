"""Second derivatives around a kernel that has only first ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqloom.kernels import torch_backend
from seqloom.kernels.double_backward import with_double_backward
from seqloom.layers.recurrent import GRU, LSTM, RNN


class Once(torch.autograd.Function):
    """a b, with a backward that cannot be differentiated."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        return gradient * b, gradient * a


def fast(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [Once.apply(*tensors)]


def slow(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensors[0] * tensors[1]]


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def test_kernel_alone_has_no_second_derivatives() -> None:
    a, b = random(3), random(3)
    (first,) = torch.autograd.grad(fast([a, b])[0].pow(2).sum(), a, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_first_and_second_derivatives() -> None:
    inputs = (random(3), random(3))
    assert torch.autograd.gradcheck(lambda a, b: with_double_backward(fast, slow, [a, b])[0], inputs)
    assert torch.autograd.gradgradcheck(lambda a, b: with_double_backward(fast, slow, [a, b])[0], inputs)


def test_one_input_may_depend_on_another() -> None:
    a = random(3)
    (y,) = with_double_backward(fast, slow, [a, a * a])
    (first,) = torch.autograd.grad(y.sum(), a, create_graph=True)
    torch.testing.assert_close(first, 3 * a**2)
    torch.testing.assert_close(torch.autograd.grad(first.sum(), a)[0], 6 * a)


def test_gradients_that_are_not_needed_are_not_computed() -> None:
    a, b = random(3), random(3).detach()
    (y,) = with_double_backward(fast, slow, [a, b])
    torch.testing.assert_close(torch.autograd.grad(y.sum(), a, create_graph=True)[0], b)


def test_second_kernel_runs_for_second_derivatives_only() -> None:
    def never(tensors: Sequence[Tensor]) -> list[Tensor]:
        raise AssertionError("the other kernel ran")

    a, b = random(3), random(3)
    with_double_backward(fast, never, [a, b])[0].sum().backward()
    assert torch.equal(a.grad, b)
    with torch.no_grad():
        assert with_double_backward(fast, never, [a, b])[0].grad_fn is None
    assert with_double_backward(fast, never, [a.detach(), b.detach()])[0].grad_fn is None


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_state_may_be_changed_in_place(Layer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(2, 3, dtype=torch.float64)
    x = random(4, 3, 2)

    def halved() -> Tensor:
        output, state = layer(x)
        for part in [state] if isinstance(state, Tensor) else state:
            part.mul_(0.5)
            output = output + part
        return torch.autograd.grad(output.pow(3).sum(), x)[0]

    expected = halved()
    monkeypatch.setattr(torch_backend, "first_derivatives_only", lambda *_: True)
    assert torch.equal(halved(), expected)


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_layer_works_with_torch_func_gradients(Layer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer(2, 3, dtype=torch.float64)
    x, parameters = random(4, 3, 2).detach(), dict(layer.named_parameters())

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(layer, parameters, (x,))[0].pow(2).sum()

    def size(parameters: dict[str, Tensor]) -> Tensor:
        return torch.stack([part.pow(2).sum() for part in torch.func.grad(loss)(parameters).values()]).sum()

    expected = torch.func.grad(loss)(parameters), torch.func.grad(size)(parameters)
    monkeypatch.setattr(torch_backend, "first_derivatives_only", lambda *_: True)
    for mine, other in zip(
        (torch.func.grad(loss)(parameters), torch.func.grad(size)(parameters)), expected, strict=True
    ):
        for name, gradient in mine.items():
            # The same kernel twice: equal but for the order in which gradients are summed.
            torch.testing.assert_close(gradient, other[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lengths", [None, [4, 0, 2]])
@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_layer_has_the_same_values_and_derivatives(
    Layer: Any, lengths: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Use `with_double_backward`, which is for cuDNN, on the CPU too."""
    layer = Layer(2, 3, 2, bidirectional=True, dtype=torch.float64)
    x = random(4, 3, 2)

    def derivatives() -> list[Tensor]:
        output, _ = layer(x, lengths=lengths)
        first = torch.autograd.grad(output.pow(3).sum(), [x, *layer.parameters()], create_graph=True)
        total = sum(gradient.pow(2).sum() for gradient in first)
        return [output, *first, *torch.autograd.grad(total, [x, *layer.parameters()])]

    expected = derivatives()
    runs = []
    monkeypatch.setattr(torch_backend, "first_derivatives_only", lambda *_: runs.append(1) or True)
    for mine, other in zip(derivatives(), expected, strict=True):
        # The same kernel twice: equal but for the order in which gradients are summed.
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)
    assert runs
