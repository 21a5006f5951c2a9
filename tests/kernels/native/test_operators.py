"""Values and derivatives of the compiled kernels, against the reference in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seqloom.kernels import reference
from seqloom.kernels.native import forward_backward, library
from seqloom.kernels.native.abi import NATIVE_CELLS, Run
from seqloom.kernels.native.operators import recurrence

from .runs import LENGTHS, close, derivatives, exact, leaves, make_run, results_of

pytestmark = pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")


@given(
    cell=st.sampled_from(list(NATIVE_CELLS)),
    steps=st.sampled_from([0, 1, 2, 3, 5, 7, 18]),  # the last is no longer few
    lengths=st.lists(st.integers(0, 18), max_size=9),
    sizes=st.sampled_from([(1, 1), (3, 5), (7, 16), (17, 31), (32, 33), (5, 70)]),
    way=st.sampled_from([(1, False), (1, True), (2, False)]),
    ragged=st.booleans(),
    biases=st.booleans(),
    batch_first=st.booleans(),
)
def test_values_and_gradients_match_the_reference(
    cell: str, steps: int, lengths: list[int],
    sizes: tuple[int, int], way: tuple[int, bool], ragged: bool, biases: bool, batch_first: bool,
) -> None:  # fmt: skip
    numbers = [min(length, steps) for length in lengths] if ragged else None
    run = make_run(
        cell, steps, len(lengths), *sizes, directions=way[0], reverse=way[1], biases=biases, lengths=numbers
    )
    got = results_of(run, batch_first=batch_first)
    assert (got[0].transpose(0, 1) if batch_first else got[0]).is_contiguous()
    if numbers is not None:
        assert all((got[0][length:, row] == 0).all() for row, length in enumerate(numbers))
    if steps * len(lengths) == 0:
        close(got, exact(run))  # of what nothing was computed from, the reference has no gradients
        return
    close(derivatives(got, run), derivatives(exact(run), run))


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_larger_sizes(cell: str, ragged: bool, directions: int) -> None:
    lengths = [(7 * row) % 13 for row in range(33)] if ragged else None
    run = make_run(cell, 12, 33, 70, 130, directions=directions, lengths=lengths)
    close(derivatives(results_of(run), run), derivatives(exact(run), run))


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_single_row_of_many_steps(cell: str, bf16: bool) -> None:
    if bf16 and library.cpu_target() < 3:
        pytest.skip("the processor has no bfloat16")
    run = make_run(cell, 75, 1, 70, 280, lengths=[73])._replace(bf16=bf16)
    both = results_of(run), exact(run)
    mine, expected = both if bf16 else (derivatives(results, run) for results in both)
    for value, other in zip(mine, expected, strict=True):
        assert (value - other).norm() <= (0.03 if bf16 else 1e-5) * other.norm()


@pytest.mark.skipif(library.cpu_target() < 3, reason="the processor has no bfloat16")
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(
    ("cell", "rows"),
    [*((cell, 5) for cell in NATIVE_CELLS), *((cell, 35) for cell in NATIVE_CELLS if cell != "rnn_relu")],
)  # with 35 rows of relu, rounding changes some derivatives from 0 to 1
def test_bfloat16(cell: str, rows: int, dtype: torch.dtype, ragged: bool) -> None:
    lengths = LENGTHS * (rows // 5) if ragged else None
    run = make_run(cell, 5, rows, 20, 40, directions=2, lengths=lengths, dtype=dtype)._replace(bf16=True)
    output, h_n, *_ = got = results_of(run)
    assert (output.dtype, h_n.dtype) == (torch.bfloat16, torch.float32)
    mine, expected = derivatives(got, run), derivatives(exact(run), run)
    # bfloat16 keeps 8 bits: every factor has an error of up to 2^-9, carried over 5 steps. A relu or a sum
    # near 0 may have a multiple of that, so the error of a whole tensor is bounded.
    for value, other in zip(mine, expected, strict=True):
        assert (value - other).norm() <= 0.02 * other.norm() + 1e-3
    assert torch.autograd.grad(recurrence(run)[0].sum(), run.input)[0].dtype == dtype
    narrow = run._replace(input=run.input.bfloat16())
    assert all(torch.equal(a, b) for a, b in zip(got, results_of(narrow), strict=True))
    twice = derivatives(results_of(run), run, twice=True)[len(mine) :]
    for value, other in zip(twice, derivatives(exact(run), run, twice=True)[len(mine) :], strict=True):
        # The first gradients have such errors already.
        assert (value - other).norm() <= 0.03 * other.norm() + 1e-2


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_gradients_of_a_single_result(cell: str) -> None:
    run = make_run(cell, directions=2)
    for k in range(3 if cell == "lstm" else 2):
        close(
            derivatives([results_of(run)[k]], run)[1:],
            derivatives([exact(run)[k]], run)[1:],
        )


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_only_requested_gradients_are_computed(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[forward_backward.RequestedGradients] = []
    backward = forward_backward.backward
    monkeypatch.setattr(
        forward_backward, "backward", lambda *args: requested.append(args[4]) or backward(*args)
    )
    run = make_run(cell)
    whole = torch.autograd.grad(recurrence(run)[0].sum(), leaves(run))

    def frozen(*some: Tensor | None) -> Run:
        keep = {id(tensor) for tensor in some}

        def only(tensor: Tensor | None) -> Tensor | None:
            return tensor if tensor is None or id(tensor) in keep else tensor.detach()

        weights = [only(weight) for weight in run.weights]
        return run._replace(input=only(run.input), h=only(run.h), c=only(run.c), weights=weights)

    cases = {
        (True, False, False): run.input,
        (False, True, False): run.h,
        (False, False, True): run.weights[2],
    }
    for expected, tensor in cases.items():
        assert tensor is not None
        (gradient,) = torch.autograd.grad(recurrence(frozen(tensor))[0].sum(), [tensor])
        assert requested[-1] == expected
        place = next(k for k, leaf in enumerate(leaves(run)) if leaf is tensor)
        assert torch.equal(gradient, whole[place])


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_second_derivatives_match_the_reference(
    cell: str, directions: int, lengths: list[int] | None
) -> None:
    run = make_run(cell, 5, 5, directions=directions, lengths=lengths)
    close(derivatives(results_of(run), run, twice=True), derivatives(exact(run), run, twice=True))


def test_third_derivatives() -> None:
    run = make_run("gru", 3, 2, 2, 3)

    def third(output: Tensor) -> Tensor:
        for _ in range(2):
            (output,) = torch.autograd.grad(output.double().pow(3).sum(), run.input, create_graph=True)
        return torch.autograd.grad(output.double().pow(3).sum(), run.input)[0]

    close([third(results_of(run)[0])], [third(exact(run)[0]).double()])


def test_reference_runs_for_second_derivatives_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(request: Any) -> Any:
        raise AssertionError("the reference kernel ran")

    run = make_run("lstm")
    monkeypatch.setattr(reference, "run", fail)
    first = torch.autograd.grad(recurrence(run)[0].sum(), leaves(run), create_graph=True)
    with pytest.raises(AssertionError, match="the reference kernel ran"):
        torch.autograd.grad(sum(gradient.sum() for gradient in first), leaves(run))


STRIDED = {
    "batch first": lambda x: x.detach().transpose(0, 1).contiguous().transpose(0, 1),
    "every second step": lambda x: torch.stack([x.detach(), x.detach() + 1], dim=1).flatten(0, 1)[::2],
    "padded rows": lambda x: torch.cat([x.detach(), x.detach()], dim=1)[:, : x.shape[1]],
    "features with the largest stride": lambda x: x.detach().permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "one step, expanded": lambda x: x.detach()[:1].expand(x.shape),
    "one number, expanded": lambda x: x.detach()[:1, :1, :1].expand(x.shape),
    "lazily negated": lambda x: torch._neg_view(x.detach()),
}


@pytest.mark.parametrize("how", STRIDED)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_results_do_not_depend_on_input_strides(cell: str, how: str) -> None:
    run = make_run(cell, directions=2)
    x = STRIDED[how](run.input).requires_grad_()
    before = x.clone()
    plain = before.detach().contiguous().requires_grad_()

    def gradients(run: Run) -> list[Tensor]:
        results = results_of(run)
        above = [torch.randn(r.shape[::-1], generator=torch.Generator().manual_seed(0)) for r in results]
        # Incoming gradients may have any strides: here they are transposed.
        return [*results, *torch.autograd.grad(results, leaves(run), [a.permute(2, 1, 0) for a in above])]

    for mine, other in zip(
        gradients(run._replace(input=x)), gradients(run._replace(input=plain)), strict=True
    ):
        assert torch.equal(mine, other)
    assert torch.equal(x, before)


def test_results_do_not_depend_on_strides_of_states_and_weights() -> None:
    run = make_run("lstm", lengths=[5, 0, 2])

    def spread(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else torch.stack([tensor.detach()] * 2, dim=-1)[..., 0]

    assert run.lengths is not None
    strided = run._replace(
        h=spread(run.h), c=spread(run.c), lengths=torch.stack([run.lengths] * 2, dim=1)[:, 0],
        weights=[spread(weight) for weight in run.weights],
    )  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(results_of(strided), results_of(run), strict=True))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_results_are_deterministic(cell: str, threads: int) -> None:
    run = make_run(cell, 9, 20, 30, 70, directions=2, lengths=[9 - row % 7 for row in range(20)])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        first = derivatives(results_of(run), run)
        for _ in range(3):
            assert all(
                torch.equal(a, b) for a, b in zip(derivatives(results_of(run), run), first, strict=True)
            )
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_padding_is_never_read(cell: str, directions: int) -> None:
    run = make_run(cell, 5, 5, lengths=LENGTHS, directions=directions)
    poisoned = run.input.detach().clone()
    for row, length in enumerate(LENGTHS):
        poisoned[length:, row] = torch.nan
    other = run._replace(input=poisoned.requires_grad_())
    mine, clean = derivatives(results_of(other), other), derivatives(results_of(run), run)
    assert all(torch.equal(a, b) for a, b in zip(mine, clean, strict=True))


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_nan_flows_as_in_the_reference(cell: str, directions: int) -> None:
    run = make_run(cell, 5, 5, lengths=LENGTHS, directions=directions)
    values = run.input.detach().clone()
    values[1, 2, 0], values[0, 0, 1], values[4, 0, 2] = torch.nan, torch.inf, -torch.inf
    run = run._replace(input=values)
    for mine, expected in zip(results_of(run), exact(run), strict=True):
        assert torch.equal(mine.isnan(), expected.isnan())
        assert torch.equal(mine.isinf(), expected.isinf())


@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_memory_saved_for_backward(cell: str) -> None:
    run = make_run(cell, 8, 16, 32, 64)
    found: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = recurrence(run)[0]
    given = sum(tensor.numel() * 4 for tensor in leaves(run))
    assert sum(found.values()) == given + output.numel() * 4 * (1 + NATIVE_CELLS[cell].num_saved_values)
