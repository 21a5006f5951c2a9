"""The compiled kernels with derivatives, against the definition in float64; and all ways to ask for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from seqloom.cells.lstm import LSTMState
from seqloom.cells.weights import Weights
from seqloom.errors import DataError
from seqloom.kernels import native, passes, reference
from seqloom.kernels.operators import recurrence
from seqloom.kernels.problem import CELLS, GATES, VALUES, Run
from seqloom.kernels.request import Request

pytestmark = pytest.mark.skipif(not native.available(), reason="seqloom is installed without csrc/")

LENGTHS = [5, 0, 3, 2, 5]
# float32 keeps 24 bits: sums of up to 130 products near 1, through 12 steps, some 100 roundings of 6e-8 each.
# Gradients are sums over all steps and rows, so errors are measured against a tensor's largest value.
TOLERANCE = 1e-5


def close(mine: list[Tensor], expected: list[Tensor], tolerance: float = TOLERANCE) -> None:
    for value, other in zip(mine, expected, strict=True):
        assert value.shape == other.shape
        if value.numel():
            error = (value.double() - other).abs().max().item()
            assert error <= tolerance * max(1.0, other.abs().max().item())


def results_of(run: Run, **how: bool) -> list[Tensor]:
    return [value for value in recurrence(run, **how)[:3] if value is not None]


def leaves(run: Run) -> list[Tensor]:
    return [tensor for tensor in (run.input, run.h, run.c, *run.weights) if tensor is not None]


def make_run(
    cell: str, steps: int = 5, batch: int = 3, inputs: int = 4, hidden: int = 6, *, directions: int = 1,
    reverse: bool = False, biases: bool = True, lengths: list[int] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Run:  # fmt: skip
    """A run of random tensors, all of which want gradients."""

    def random(*shape: int, scale: float = 0.5) -> Tensor:
        return (torch.randn(shape) * scale).requires_grad_()

    G = GATES[cell] * hidden
    shapes: list[tuple[int, ...]] = [(G, inputs), (G, hidden), (G,), (G,)]
    # Small weights where they are many, so that sums of products stay near 1.
    weights = [
        random(*shape, scale=0.5 * hidden**-0.5) if biases or len(shape) == 2 else None
        for shape in shapes * directions
    ]
    x = torch.randn(steps, batch, inputs).to(dtype).requires_grad_()
    state = [random(directions, batch, hidden) for _ in range(1 + (cell == "lstm"))]
    numbers = None if lengths is None else torch.tensor(lengths, dtype=torch.int64)
    return Run(cell, x, *(*state, None)[:2], numbers, weights + [None] * (8 - 4 * directions), reverse)


def exact(run: Run) -> list[Tensor]:
    """Output, h_n and, of an LSTM, c_n in float64, by the reference kernel."""
    cell, x, h, c, lengths, weights, reverse, _ = run
    wide = [None if weight is None else weight.double() for weight in weights]
    results = []
    for d in range(len(h)):
        state = h[d].double() if c is None else LSTMState(h[d].double(), c[d].double())
        w = Weights(*wide[4 * d : 4 * d + 4])
        results.append(reference.run(Request(cell, x.double(), state, w, lengths, reverse or d == 1)))
    states = [r.state if isinstance(r.state, LSTMState) else (r.state,) for r in results]
    ended = [torch.stack(part) for part in zip(*states, strict=True)]
    return [torch.cat([r.output for r in results], dim=-1), *ended]


def derivatives(results: list[Tensor], run: Run, *, twice: bool = False) -> list[Tensor]:
    """`results`, their first gradients and, if asked for, those of the squares of these; in float64."""
    torch.manual_seed(1)
    # Each value has a weight of its own, so that no gradient can hide behind another.
    loss = sum((result.double() * torch.randn(result.shape).double()).sum() for result in results)
    first = torch.autograd.grad(loss, leaves(run), create_graph=twice)
    found = [*results, *first]
    if twice:
        total = sum(gradient.double().pow(2).sum() for gradient in first)
        found += torch.autograd.grad(total, leaves(run))
    return [value.detach().double() for value in found]


@given(
    cell=st.sampled_from(list(CELLS)),
    steps=st.integers(0, 7),
    lengths=st.lists(st.integers(0, 7), max_size=9),
    sizes=st.sampled_from([(1, 1), (3, 5), (7, 16), (17, 31), (32, 33), (5, 70)]),
    way=st.sampled_from([(1, False), (1, True), (2, False)]),
    ragged=st.booleans(),
    biases=st.booleans(),
    batch_first=st.booleans(),
)
def test_values_and_gradients_are_those_of_the_reference(
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
@pytest.mark.parametrize("cell", CELLS)
def test_larger_sizes(cell: str, ragged: bool, directions: int) -> None:
    lengths = [(7 * row) % 13 for row in range(33)] if ragged else None
    run = make_run(cell, 12, 33, 70, 130, directions=directions, lengths=lengths)
    close(derivatives(results_of(run), run), derivatives(exact(run), run))


@pytest.mark.skipif(native.level() < 3, reason="the processor has no bfloat16")
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("cell", CELLS)
def test_bfloat16(cell: str, dtype: torch.dtype, ragged: bool) -> None:
    lengths = LENGTHS if ragged else None
    run = make_run(cell, 5, 5, 20, 40, directions=2, lengths=lengths, dtype=dtype)._replace(half=True)
    output, h_n, *_ = got = results_of(run)
    assert (output.dtype, h_n.dtype) == (torch.bfloat16, torch.float32)
    mine, expected = derivatives(got, run), derivatives(exact(run), run)
    # bfloat16 keeps 8 bits: every factor is off by up to 2^-9, and 5 steps carry it on. A relu or a sum near
    # 0 may be off by several of those, so what is bounded is the error of a tensor as a whole.
    for value, other in zip(mine, expected, strict=True):
        assert (value - other).norm() <= 0.02 * other.norm() + 1e-3
    assert torch.autograd.grad(recurrence(run)[0].sum(), run.input)[0].dtype == dtype
    narrow = run._replace(input=run.input.bfloat16())
    assert all(torch.equal(a, b) for a, b in zip(got, results_of(narrow), strict=True))
    twice = derivatives(results_of(run), run, twice=True)[len(mine) :]
    for value, other in zip(twice, derivatives(exact(run), run, twice=True)[len(mine) :], strict=True):
        assert (value - other).norm() <= 0.03 * other.norm() + 1e-2  # they begin with what is that much off


@pytest.mark.parametrize("cell", CELLS)
def test_each_result_alone_has_its_gradient(cell: str) -> None:
    run = make_run(cell, directions=2)
    for k in range(3 if cell == "lstm" else 2):
        close(
            derivatives([results_of(run)[k]], run)[1:],
            derivatives([exact(run)[k]], run)[1:],
        )


@pytest.mark.parametrize("cell", CELLS)
def test_only_wanted_gradients_are_computed(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[passes.Wanted] = []
    backward = passes.backward
    monkeypatch.setattr(passes, "backward", lambda *args: wanted.append(args[4]) or backward(*args))
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
        assert wanted[-1] == expected
        place = next(k for k, leaf in enumerate(leaves(run)) if leaf is tensor)
        assert torch.equal(gradient, whole[place])


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_second_derivatives_are_those_of_the_reference(
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


def test_the_reference_runs_for_second_derivatives_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(request: Any) -> Any:
        raise AssertionError("the reference kernel ran")

    run = make_run("lstm")
    monkeypatch.setattr(reference, "run", never)
    first = torch.autograd.grad(recurrence(run)[0].sum(), leaves(run), create_graph=True)
    with pytest.raises(AssertionError, match="the reference kernel ran"):
        torch.autograd.grad(sum(gradient.sum() for gradient in first), leaves(run))


STRIDED = {
    "batch first": lambda x: x.detach().transpose(0, 1).contiguous().transpose(0, 1),
    "every other step": lambda x: torch.stack([x.detach(), x.detach() + 1], dim=1).flatten(0, 1)[::2],
    "rows apart": lambda x: torch.cat([x.detach(), x.detach()], dim=1)[:, : x.shape[1]],
    "features last but not least": lambda x: x.detach().permute(2, 0, 1).contiguous().permute(1, 2, 0),
    "one step for all": lambda x: x.detach()[:1].expand(x.shape),
    "one number for all": lambda x: x.detach()[:1, :1, :1].expand(x.shape),
    "negated when it is read": lambda x: torch._neg_view(x.detach()),
}


@pytest.mark.parametrize("how", STRIDED)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_strides_change_nothing(cell: str, how: str) -> None:
    run = make_run(cell, directions=2)
    x = STRIDED[how](run.input).requires_grad_()
    before = x.clone()
    plain = before.detach().contiguous().requires_grad_()

    def gradients(run: Run) -> list[Tensor]:
        results = results_of(run)
        above = [torch.randn(r.shape[::-1], generator=torch.Generator().manual_seed(0)) for r in results]
        # And gradients come from above as they like: here transposed.
        return [*results, *torch.autograd.grad(results, leaves(run), [a.permute(2, 1, 0) for a in above])]

    for mine, other in zip(
        gradients(run._replace(input=x)), gradients(run._replace(input=plain)), strict=True
    ):
        assert torch.equal(mine, other)
    assert torch.equal(x, before)


def test_states_and_weights_may_be_strided() -> None:
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
@pytest.mark.parametrize("cell", CELLS)
def test_the_same_again_is_the_same_to_the_bit(cell: str, threads: int) -> None:
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
@pytest.mark.parametrize("cell", CELLS)
def test_padding_is_never_read(cell: str, directions: int) -> None:
    run = make_run(cell, 5, 5, lengths=LENGTHS, directions=directions)
    poisoned = run.input.detach().clone()
    for row, length in enumerate(LENGTHS):
        poisoned[length:, row] = torch.nan
    other = run._replace(input=poisoned.requires_grad_())
    mine, clean = derivatives(results_of(other), other), derivatives(results_of(run), run)
    assert all(torch.equal(a, b) for a, b in zip(mine, clean, strict=True))


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_nan_flows_as_in_the_reference(cell: str, directions: int) -> None:
    run = make_run(cell, 5, 5, lengths=LENGTHS, directions=directions)
    values = run.input.detach().clone()
    values[1, 2, 0], values[0, 0, 1], values[4, 0, 2] = torch.nan, torch.inf, -torch.inf
    run = run._replace(input=values)
    for mine, expected in zip(results_of(run), exact(run), strict=True):
        assert torch.equal(mine.isnan(), expected.isnan())
        assert torch.equal(mine.isinf(), expected.isinf())


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_kept_for_gradients_is_little(cell: str) -> None:
    run = make_run(cell, 8, 16, 32, 64)
    found: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = recurrence(run)[0]
    given = sum(tensor.numel() * 4 for tensor in leaves(run))
    assert sum(found.values()) == given + output.numel() * 4 * (1 + VALUES[cell])


@pytest.mark.parametrize("cell", CELLS)
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


# --- torch's registry ---


def arguments_of(run: Run, *flags: bool) -> tuple[Any, ...]:
    return (*run[:5], *run.weights, run.reverse, run.half, *flags)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_the_operators_pass_torchs_own_check(cell: str, directions: int) -> None:
    # Whole vectors of units and all rows to the end: what is kept then has no gaps that torch could compare.
    run = make_run(cell, 3, 2, 4, 32, directions=directions)
    operators = torch.ops.seqloom
    torch.library.opcheck(operators.recurrence.default, arguments_of(run, directions == 2, True))
    plain = run._replace(
        input=run.input.detach(), h=run.h.detach(), c=None if run.c is None else run.c.detach(),
        weights=[None if weight is None else weight.detach() for weight in run.weights],
    )  # fmt: skip
    output, h_n, _, kept = operators.recurrence(*arguments_of(plain, False, True))
    above = torch.randn_like(output), torch.randn_like(h_n), None
    flags = (True, True, True)
    inputs = (*arguments_of(plain, directions == 2), output, kept, *above, *flags)
    torch.library.opcheck(operators.recurrence_backward.default, inputs)


def test_the_operator_itself_is_differentiable_twice() -> None:
    run = make_run("lstm", lengths=[5, 0, 2])
    got = list(torch.ops.seqloom.recurrence(*arguments_of(run, False, True))[:3])
    close(derivatives(got, run, twice=True), derivatives(exact(run), run, twice=True))


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_fake_tensors_have_the_shapes_and_strides(cell: str, batch_first: bool) -> None:
    run = make_run(cell, directions=2)
    real = recurrence(run, batch_first, keep=True)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        x = mode.from_tensor(run.input.detach())
        fake = recurrence(run._replace(input=x), batch_first, keep=True)
    on_meta = (value.to("meta") if isinstance(value, Tensor) else value for value in arguments_of(run))
    meta = torch.ops.seqloom.recurrence(*on_meta, batch_first, True)
    for value, *others in zip(real[:3], fake[:3], meta[:3], strict=True):
        for other in others:
            if value is not None:
                assert (other.shape, other.stride(), other.dtype) == (
                    value.shape,
                    value.stride(),
                    value.dtype,
                )


# --- torch.func ---


@pytest.mark.parametrize("cell", CELLS)
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


@pytest.mark.parametrize("cell", CELLS)
def test_vmap_is_one_run_for_each(cell: str) -> None:
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


# --- refusals ---

REFUSED: dict[str, Callable[[Run], Run]] = {
    "the cell must be one of rnn_tanh, rnn_relu, lstm, gru": lambda r: r._replace(cell="mgu"),
    "c is for lstm only": lambda r: r._replace(c=None),
    r"input must be \(T, B, I\)": lambda r: r._replace(input=r.input[0]),
    "float32 or bfloat16 on the CPU": lambda r: r._replace(input=r.input.double()),
    r"h must be torch.float32 \(1, 3, 6\) on the CPU. Got torch.float64": lambda r: r._replace(
        h=r.h.double()
    ),
    r"h must be torch.float32 \(1, 3, 6\)": lambda r: r._replace(h=r.h[:, :2]),
    r"h must be torch.float32 \(2, 3, 6\)": lambda r: r._replace(weights=[*r.weights[:4]] * 2),
    r"c must be torch.float32 \(1, 3, 6\)": lambda r: r._replace(c=r.h[0]),
    r"weight_ih must be torch.float32 \(24, 4\)": lambda r: changed(r, 0, r.weights[1]),
    "weight_hh must be a tensor": lambda r: changed(r, 1, None),
    r"bias_ih must be torch.float32 \(24,\)": lambda r: changed(r, 2, r.weights[2][:-1]),
    "bias_hh must be .* Got torch.bfloat16": lambda r: changed(r, 3, r.weights[3].bfloat16()),
    r"lengths must be torch.int64 \(3,\)": lambda r: r._replace(lengths=torch.tensor([1, 2])),
    r"lengths must be torch.int64 .* Got torch.int32": lambda r: r._replace(lengths=torch.ones(3).int()),
    r"lengths must be 0 to 5, .* Got \[1, 6, 2\]": lambda r: r._replace(lengths=torch.tensor([1, 6, 2])),
    r"lengths must be 0 to 5, .* Got \[1, -1, 2\]": lambda r: r._replace(lengths=torch.tensor([1, -1, 2])),
}


def changed(run: Run, place: int, weight: Tensor | None) -> Run:
    weights = list(run.weights)
    weights[place] = weight
    return run._replace(weights=weights)


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused(message: str) -> None:
    run = REFUSED[message](make_run("lstm"))
    with torch.no_grad(), pytest.raises(DataError, match=f"^seqloom::recurrence: .*{message}"):
        recurrence(run)


def test_what_does_not_fit_a_backward_pass_is_refused() -> None:
    run = make_run("lstm")
    output, h_n, c_n, kept = (value.detach() for value in recurrence(run))
    wanted = passes.Wanted(True, True, True)

    def refused(message: str, output: Tensor, kept: Tensor | None, *given: Tensor | None) -> None:
        with torch.no_grad(), pytest.raises(DataError, match=f"^seqloom::recurrence: {message}"):
            passes.backward(run, output, kept, passes.Given(*given), wanted)

    refused("output must be", output[1:], kept, output, None, None)
    refused(r"a backward pass needs .* Run it with keep=True\.", output, None, output, None, None)
    refused("kept must be", output, kept[:, 1:], output, None, None)
    refused("d_output must be", output, kept, output.double(), None, None)
    refused("d_h_n must be", output, kept, None, h_n[0], None)
    refused("d_c_n must be", output, kept, None, None, c_n[..., 1:])
    with pytest.raises(DataError, match=r"^seqloom::recurrence: gradients need what only keep=True keeps"):
        torch.ops.seqloom.recurrence(*arguments_of(run, False, False))
