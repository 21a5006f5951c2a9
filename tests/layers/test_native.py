"""The layers on the compiled kernels, in every way they can be called, give what the reference gives."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from seqloom.errors import ConfigError
from seqloom.kernels import native
from seqloom.layers import run as layer_runs
from seqloom.layers.convert import convert_recurrent
from seqloom.layers.recurrent import GRU, LSTM, RNN
from seqloom.state import detach, map_state, select_rows

pytestmark = pytest.mark.skipif(not native.available(), reason="seqloom is installed without csrc/")
needs_bfloat16 = pytest.mark.skipif(native.level() < 3, reason="the processor has no bfloat16")

T, B, I, H = 6, 4, 3, 5  # noqa: E741
LENGTHS = [2, 6, 0, 3]
# float32 through 6 steps of 2 layers: each within 1e-7 or so of values near 1; gradients sum up 100 of them.
CLOSE = {"rtol": 1e-5, "atol": 2e-5}
# bfloat16 keeps 8 bits, so each of 6 steps in 2 layers rounds by 2^-9 of values up to 1.
HALF = {"rtol": 0, "atol": 0.06}

CELLS = [
    pytest.param(RNN, {}, id="tanh"),
    pytest.param(RNN, {"nonlinearity": "relu"}, id="relu"),
    pytest.param(LSTM, {}, id="lstm"),
    pytest.param(GRU, {}, id="gru"),
]


def parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def twins(Layer: Any, **arguments: Any) -> tuple[Any, Any]:
    """A layer on the compiled kernels, and the same on the reference kernel in float64."""
    layer = Layer(I, H, arguments.pop("num_layers", 2), kernel="native", **arguments)
    exact = copy.deepcopy(layer).double()
    exact.kernel = "reference"
    return layer, exact


def random_state(layer: Any, batch: int = B) -> Any:
    return map_state(lambda t: torch.randn_like(t).requires_grad_(), detach(layer.initial_state(batch)))


def wide(value: Any) -> Any:
    return map_state(lambda t: t.detach().double().requires_grad_(t.requires_grad), value)


def results(layer: Any, x: Tensor, state: Any, lengths: list[int] | None = None) -> list[Tensor]:
    """Output, state, and the gradients of input, state and parameters."""
    output, new = layer(x, state, lengths)
    values = [output, *parts(new)]
    loss = sum((k + 1) * value.pow(2).sum() for k, value in enumerate(values))
    return [*values, *torch.autograd.grad(loss, [x, *parts(state), *layer.parameters()])]


def close(mine: list[Tensor], expected: list[Tensor], **tolerance: float) -> None:
    for value, other in zip(mine, expected, strict=True):
        torch.testing.assert_close(value.double(), other.double(), **(tolerance or CLOSE))


@pytest.mark.parametrize(
    "lengths", [None, LENGTHS, [4] * B, [0] * B], ids=["full", "ragged", "equal", "none"]
)
@pytest.mark.parametrize("batch_first", [False, True], ids=["time-first", "batch-first"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize(("num_layers", "bias"), [(1, True), (1, False), (3, True)])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_outputs_states_and_gradients(
    Layer: Any, options: dict[str, Any], num_layers: int, bias: bool, bidirectional: bool, batch_first: bool,
    lengths: list[int] | None,
) -> None:  # fmt: skip
    layer, exact = twins(
        Layer,
        num_layers=num_layers,
        bias=bias,
        bidirectional=bidirectional,
        batch_first=batch_first,
        **options,
    )
    x = torch.randn(*((B, T) if batch_first else (T, B)), I, requires_grad=True)
    state = random_state(layer)
    mine = results(layer, x, state, lengths)
    assert mine[0].is_contiguous()
    if lengths == [0] * B:  # the reference has no gradients of what nothing was computed from
        close(mine[: 1 + len(parts(state))], [exact(wide(x), wide(state), lengths)[0], *parts(state)])
        assert all((gradient == 0).all() for gradient in mine[2 + 2 * len(parts(state)) :])
        return
    close(mine, results(exact, wide(x), wide(state), lengths))


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_input_without_a_batch(Layer: Any, options: dict[str, Any]) -> None:
    layer, exact = twins(Layer, **options)
    x = torch.randn(T, I)
    (output, state), (expected, last) = layer(x), exact(wide(x))
    close([output, *parts(state)], [expected, *parts(last)])
    close([layer(x, lengths=[2])[0]], [exact(wide(x), lengths=[2])[0]])


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_packed_in_packed_out(
    Layer: Any, options: dict[str, Any], batch_first: bool, enforce_sorted: bool
) -> None:
    layer, exact = twins(Layer, bidirectional=True, batch_first=batch_first, **options)
    x = torch.randn(B, T, I)
    lengths = torch.tensor([6, 3, 3, 1] if enforce_sorted else [3, 6, 1, 3])
    packed, wider = (
        pack_padded_sequence(each, lengths, batch_first=True, enforce_sorted=enforce_sorted)
        for each in (x, x.double())
    )
    state = random_state(layer)
    (output, new), (expected, last) = layer(packed, state), exact(wider, wide(state))
    close([output.data, *parts(new)], [expected.data, *parts(last)])
    assert torch.equal(output.batch_sizes, expected.batch_sizes)
    assert output.unsorted_indices is packed.unsorted_indices


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_any_chunks_are_whole(Layer: Any, options: dict[str, Any], batch_first: bool) -> None:
    layer, _ = twins(Layer, batch_first=batch_first, **options)
    x = torch.randn(T, B, I)
    x = x.transpose(0, 1) if batch_first else x
    whole, last = layer(x)
    for sizes in ([1] * T, [0, 4, 2], [5, 0, 1]):
        state, outputs = None, []
        for chunk in x.split(sizes, dim=1 if batch_first else 0):
            output, state = layer.step(chunk, state)
            outputs.append(output)
        close([torch.cat(outputs, dim=1 if batch_first else 0), *parts(state)], [whole, *parts(last)])


@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "two-way"])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_neither_padding_nor_company_changes_anything(
    Layer: Any, options: dict[str, Any], bidirectional: bool
) -> None:
    layer, _ = twins(Layer, bidirectional=bidirectional, **options)
    start = random_state(layer)
    rows = [torch.randn(length, 1, I) for length in LENGTHS]
    for padding in (0, 3):
        together = torch.full((max(LENGTHS) + padding, B, I), torch.nan)
        for index, row in enumerate(rows):
            together[: len(row), index] = row[:, 0]
        together.requires_grad_()
        output, state = layer(together, start, LENGTHS)
        (gradient,) = torch.autograd.grad(output.pow(2).sum() + parts(state)[0].sum(), together)
        for index, row in enumerate(rows):
            one = select_rows(start, torch.tensor([index]))
            alone, end = layer(row.requires_grad_(), one)
            close([output[: len(row), index]], [alone[:, 0]])
            assert (output[len(row) :, index] == 0).all()
            assert (gradient[len(row) :, index] == 0).all()
            close(parts(select_rows(state, torch.tensor([index]))), parts(end))
            (its,) = torch.autograd.grad(alone.pow(2).sum() + parts(end)[0].sum(), row)
            close([gradient[: len(row), index]], [its[:, 0]])


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_dropout_draws_what_it_draws_for_every_kernel(Layer: Any, options: dict[str, Any]) -> None:
    layer = Layer(I, H, 3, dropout=0.5, weight_dropout=0.5, batch_first=True, kernel="native", **options)
    x = torch.randn(B, T, I)
    found = []
    for kernel in ("native", "torch", "reference"):
        layer.kernel = kernel
        torch.manual_seed(5)
        found.append(layer(x)[0])
    close([found[0], found[0]], found[1:])
    layer.kernel = "native"
    assert not torch.allclose(layer(x)[0], found[0])


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_one_tiny_batch_is_learnt_by_heart(Layer: Any, options: dict[str, Any]) -> None:
    layer, head = Layer(2, 16, learn_initial_state=True, kernel="native", **options), nn.Linear(16, 1)
    x, y = torch.randn(5, 2, 2), torch.randn(5, 2, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.03)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (head(layer(x)[0]) - y).pow(2).mean()
        loss.backward()
        optimizer.step()
    assert layer.initial_h.abs().sum() > 0
    # Ten numbers, more than a hundred weights: what is left of a variance near 1 is a hundredth at most.
    assert loss.item() < 0.01


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


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_trace(
    Layer: Any, options: dict[str, Any], batch_first: bool, lengths: list[int] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    layer, exact = twins(Layer, bidirectional=True, batch_first=batch_first, **options)
    x = torch.randn(*((B, T) if batch_first else (T, B)), I, requires_grad=True)
    state = random_state(layer)
    slow = exact.trace(wide(x), wide(state), lengths)

    def check(trace: Any) -> None:
        close([trace.output, *parts(trace.state)], [slow.output, *parts(slow.state)])
        for mine, expected in zip(trace.gates, slow.gates, strict=True):
            assert type(mine) is type(expected)
            close(list(mine), list(expected))

    traced = layer.trace(x, state, lengths)
    check(traced)

    def gradient(trace: Any, x: Tensor) -> Tensor:
        return torch.autograd.grad(sum(value.pow(2).sum() for gates in trace.gates for value in gates), x)[0]

    other = wide(x)
    close([gradient(traced, x)], [gradient(exact.trace(other, wide(state), lengths), other)])
    monkeypatch.setattr(layer_runs, "recover", lambda *_: pytest.fail("the run has kept its gates"))
    with torch.no_grad():
        check(layer.trace(x, state, lengths))


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_second_derivatives(Layer: Any, options: dict[str, Any]) -> None:
    layer, exact = twins(Layer, bidirectional=True, **options)
    x = torch.randn(T, B, I)

    def second(layer: Any, x: Tensor) -> list[Tensor]:
        x.requires_grad_()
        tensors = [x, *layer.parameters()]
        first = torch.autograd.grad(layer(x, lengths=LENGTHS)[0].pow(2).sum(), tensors, create_graph=True)
        return list(torch.autograd.grad(sum(gradient.pow(2).sum() for gradient in first), tensors))

    for mine, other in zip(second(layer, x), second(exact, x.detach().double()), strict=True):
        # float32, sums of some 1000 products: errors are measured against a tensor's largest value.
        assert (mine - other).abs().max() <= 1e-5 * max(1.0, other.abs().max().item())


def compiled(layer: Any, **how: Any) -> Any:
    torch.compiler.reset()
    return torch.compile(layer, fullgraph=True, **how)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_compiled_without_a_break(Layer: Any, options: dict[str, Any], batch_first: bool) -> None:
    layer, _ = twins(Layer, bidirectional=True, batch_first=batch_first, **options)
    x, state = torch.randn(B, T, I, requires_grad=True), random_state(layer, B if batch_first else T)
    for backend in ("eager", "aot_eager"):
        close(results(compiled(layer, backend=backend), x, state), results(layer, x, state))
        with torch.no_grad():
            close([compiled(layer, backend=backend)(x)[0]], [layer(x)[0]])
        lengths = [3, 1, 0, 2, 3, 3][: B if batch_first else T]
        close(
            [compiled(layer, backend=backend)(x, lengths=lengths)[0]],
            [layer(x, lengths=lengths)[0]],
        )


# torch's compiler reads the .grad of tensors between two graphs, and torch itself warns of that.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf Tensor")
@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_compiled_with_lengths_in_a_tensor_and_with_packed_rows(Layer: Any) -> None:
    layer, _ = twins(Layer, bidirectional=True)
    x = torch.randn(T, B, I)
    for lengths in (torch.tensor(LENGTHS), [0] * B):
        torch.compiler.reset()
        call = torch.compile(layer, backend="eager")
        close([call(x, lengths=lengths)[0]], [layer(x, lengths=lengths)[0]])
    packed = pack_padded_sequence(x, torch.tensor([6, 3, 2, 1]))
    torch.compiler.reset()
    close([torch.compile(layer, backend="eager")(packed)[0].data], [layer(packed)[0].data])


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_compiled_for_any_shape(Layer: Any, options: dict[str, Any]) -> None:
    layer, _ = twins(Layer, **options)
    call = compiled(layer, backend="aot_eager", dynamic=True)
    for shape in ((6, 4, I), (5, 3, I), (9, 2, I)):
        x, state = torch.randn(shape, requires_grad=True), random_state(layer, shape[1])
        close(results(call, x, state), results(layer, x, state))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_compiled_to_machine_code() -> None:
    layer, _ = twins(GRU, bidirectional=True, batch_first=True)
    x, state = torch.randn(B, T, I, requires_grad=True), random_state(layer)
    close(results(compiled(layer), x, state), results(layer, x, state))


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_an_exported_program_runs_where_seqloom_is_not(Layer: Any, options: dict[str, Any]) -> None:
    layer = Layer(I, H, 2, **options).eval()
    x = torch.randn(T, B, I)
    program = torch.export.export(layer, (x,))
    assert "seqloom" not in str(program.graph)
    close([program.module()(x)[0]], [layer(x)[0]])


@pytest.mark.parametrize(("Layer", "options"), CELLS)
def test_functional_calls(Layer: Any, options: dict[str, Any]) -> None:
    layer, exact = twins(Layer, **options)
    x, parameters = torch.randn(T, B, I), dict(layer.named_parameters())

    def loss(layer: Any, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, parameters, (x,))[0].pow(2).sum()

    found = torch.func.grad(loss, 1)(layer, parameters, x)
    expected = torch.autograd.grad(exact(x.double())[0].pow(2).sum(), list(exact.parameters()))
    close(list(found.values()), list(expected))
    each = torch.randn(3, T, B, I)
    per_example = torch.func.vmap(torch.func.grad(loss, 1), (None, None, 0))(layer, parameters, each)
    for k in range(3):
        one = torch.func.grad(loss, 1)(layer, parameters, each[k])
        assert all(torch.equal(per_example[name][k], value) for name, value in one.items())


def test_parameters_of_another_shape_are_refused() -> None:
    layer, _ = twins(GRU, num_layers=1)
    parameters = {**dict(layer.named_parameters()), "weight_hh_l0": torch.zeros(3 * H, H - 1)}
    with pytest.raises(ValueError, match=r"^seqloom::recurrence: weight_hh must be torch\.float32 \(15, 5\)"):
        torch.func.functional_call(layer, parameters, (torch.randn(T, B, I),))


def test_a_converted_layer_runs_on_it() -> None:
    model = nn.Sequential(nn.LSTM(I, H, 2, bidirectional=True, batch_first=True))
    x = torch.randn(B, T, I)
    expected, _ = model(x)
    convert_recurrent(model)
    model[0].kernel = "native"
    close([model(x)[0]], [expected])


# torch's own formulas for forward derivatives are made with torch.jit, of which torch itself warns.
@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_why_it_runs_or_does_not() -> None:
    x = torch.randn(T, B, I)
    assert GRU(I, H, kernel="native").choice(x) == ("native", "kernel='native'")
    assert GRU(I, H, layer_norm=True).choice(x).why == "layer_norm needs the reference kernel"
    projected = LSTM(I, H, proj_size=2)
    assert projected.choice(x) == ("torch", "native has no projection")
    wider = GRU(I, H, dtype=torch.float64)
    why = "native is for float32 and bfloat16 on the CPU, not torch.float64 on cpu"
    assert wider.choice(x.double()) == ("torch", why)
    for layer, reason in ((projected, "native has no projection"), (wider, "native is for float32 and")):
        layer.kernel = "native"
        message = f"^{type(layer).__name__}: kernel='native' cannot do this: {reason}"
        with pytest.raises(ConfigError, match=message):
            layer(x.to(layer.weight_ih_l0.dtype))
    with torch.autocast("cpu", dtype=torch.float16):
        why = "native does not compute in torch.float16, which autocast asks for"
        assert GRU(I, H).choice(x) == ("torch", why)
    found = []
    torch.func.jvp(lambda x: found.append(GRU(I, H).choice(x)) or x, (x,), (x,))
    assert found == [("torch", "native has no forward-mode derivatives")]
