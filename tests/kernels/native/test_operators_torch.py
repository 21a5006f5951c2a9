"""The compiled kernels as torch operators: checkpointing, opcheck, fake tensors, torch.func."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from seqloom.kernels.native import library
from seqloom.kernels.native.abi import NATIVE_CELLS
from seqloom.kernels.native.operators import recurrence

from .runs import arguments_of, close, derivatives, exact, leaves, make_run

pytestmark = pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_checkpointing(cell: str) -> None:
    run = make_run(cell)
    expected = torch.autograd.grad(recurrence(run)[0].pow(2).sum(), leaves(run))

    def forward(*some: Tensor) -> Tensor:
        x, h, *rest = some
        c = rest.pop(0) if cell == "lstm" else None
        return recurrence(run._replace(input=x, h=h, c=c, weights=[*rest, *[None] * 4]))[0]

    output = checkpoint(forward, *leaves(run), use_reentrant=False)
    mine = torch.autograd.grad(output.pow(2).sum(), leaves(run))
    assert all(torch.equal(a, b) for a, b in zip(mine, expected, strict=True))


@pytest.mark.parametrize(("cell", "directions"), [("rnn_tanh", 1), ("lstm", 2), ("gru", 1)])
def test_operators_pass_opcheck(cell: str, directions: int) -> None:
    # Full vectors and full lengths, so that the saved values have no uninitialized padding to compare.
    run = make_run(cell, 3, 2, 4, 32, directions=directions)
    operators = torch.ops.seqloom
    torch.library.opcheck(operators.recurrence.default, arguments_of(run, directions == 2, True, False))
    plain = run._replace(
        input=run.input.detach(), h=run.h.detach(), c=None if run.c is None else run.c.detach(),
        weights=[None if weight is None else weight.detach() for weight in run.weights],
    )  # fmt: skip
    output, h_n, _, saved = operators.recurrence(*arguments_of(plain, False, True, False))
    above = torch.randn_like(output), torch.randn_like(h_n), None
    flags = (True, True, True)
    inputs = (*arguments_of(plain, directions == 2), output, saved, *above, *flags)
    torch.library.opcheck(operators.recurrence_backward.default, inputs)


def test_registered_operator_has_second_derivatives() -> None:
    run = make_run("lstm", lengths=[5, 0, 2])
    got = list(torch.ops.seqloom.recurrence(*arguments_of(run, False, True, False))[:3])
    close(derivatives(got, run, twice=True), derivatives(exact(run), run, twice=True))


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_fake_tensors_have_the_right_shapes_and_strides(cell: str, batch_first: bool) -> None:
    run = make_run(cell, directions=2)
    real = recurrence(run, batch_first, save=True)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        x = mode.from_tensor(run.input.detach())
        fake = recurrence(run._replace(input=x), batch_first, save=True)
    on_meta = (value.to("meta") if isinstance(value, Tensor) else value for value in arguments_of(run))
    meta = torch.ops.seqloom.recurrence(*on_meta, batch_first, True, False)
    for value, *others in zip(real[:3], fake[:3], meta[:3], strict=True):
        for other in others:
            if value is not None:
                assert (other.shape, other.stride(), other.dtype) == (
                    value.shape,
                    value.stride(),
                    value.dtype,
                )


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_torch_func(cell: str) -> None:
    run = make_run(cell, directions=2, lengths=[5, 0, 2])
    x = run.input.detach()

    def output(x: Tensor) -> Tensor:
        return recurrence(run._replace(input=x))[0]

    def loss(x: Tensor) -> Tensor:
        return output(x).pow(2).sum()

    (expected,) = torch.autograd.grad(loss(run.input), run.input)
    assert torch.equal(torch.func.grad(loss)(x), expected)
    value, pull = torch.func.vjp(output, x)
    assert torch.equal(pull(2 * value)[0], expected)
    rows = torch.func.jacrev(lambda x: output(x)[0, 0, :2])(x)
    for k in range(2):
        assert torch.equal(rows[k], torch.autograd.grad(output(run.input)[0, 0, k], run.input)[0])

    def size(x: Tensor) -> Tensor:
        return torch.func.grad(loss)(x).pow(2).sum()

    (first,) = torch.autograd.grad(loss(run.input), run.input, create_graph=True)
    (second,) = torch.autograd.grad(first.pow(2).sum(), run.input)
    close([torch.func.grad(size)(x)], [second.double()])


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_vmap_matches_separate_runs(cell: str) -> None:
    run = make_run(cell)
    xs = torch.randn(5, 4, 3, 4)  # (T, N, B, I)

    def loss(x: Tensor, weight: Tensor) -> Tensor:
        return recurrence(run._replace(input=x, weights=[weight, *run.weights[1:]]))[0].pow(2).sum()

    weight = run.weights[0]
    assert weight is not None
    each = [xs[:, k].clone().requires_grad_() for k in range(4)]
    outputs = torch.func.vmap(lambda x: recurrence(run._replace(input=x))[0], 1)(xs)
    assert torch.equal(outputs, torch.stack([recurrence(run._replace(input=x))[0] for x in each]))
    mine = torch.func.vmap(torch.func.grad(loss, (0, 1)), (1, None))(
        xs, weight
    )  # a gradient for each example
    expected = [torch.autograd.grad(loss(x, weight), (x, weight)) for x in each]
    for value, others in zip(mine, zip(*expected, strict=True), strict=True):
        assert torch.equal(value, torch.stack(others))
    total = torch.func.grad(lambda xs: torch.func.vmap(loss, (1, None))(xs, weight).sum())(xs)
    assert torch.equal(total, torch.stack([x for x, _ in expected], dim=1))
    weights = torch.stack([weight.detach() * k for k in range(3)])  # an ensemble
    ensemble = torch.func.vmap(loss, (None, 0))(each[0], weights)
    assert torch.equal(ensemble, torch.stack([loss(each[0], w) for w in weights]))
