"""The layers on the compiled kernels with torch.compile, torch.export, torch.func and second derivatives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from seqloom.kernels.native import library
from seqloom.layers.recurrent import GRU, LSTM, RNN

from .twins import CELLS, LENGTHS, B, H, I, T, close, random_state, results, twins

pytestmark = pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")


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


@pytest.mark.parametrize(("Layer", "batch_first"), [(LSTM, False), (GRU, True)])
def test_compiles_without_graph_breaks(Layer: Any, batch_first: bool) -> None:
    layer, _ = twins(Layer, bidirectional=True, batch_first=batch_first)
    x, state = torch.randn(B, T, I, requires_grad=True), random_state(layer, B if batch_first else T)
    close(results(compiled(layer, backend="aot_eager"), x, state), results(layer, x, state))
    with torch.no_grad():
        close([compiled(layer, backend="aot_eager")(x)[0]], [layer(x)[0]])
    lengths = [3, 1, 0, 2, 3, 3][: B if batch_first else T]
    close([compiled(layer, backend="eager")(x, lengths=lengths)[0]], [layer(x, lengths=lengths)[0]])


# torch's compiler reads the .grad of tensors between two graphs, of which torch warns.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf Tensor")
def test_compiles_with_tensor_lengths_and_packed_sequences() -> None:
    layer, _ = twins(GRU, bidirectional=True)
    x = torch.randn(T, B, I)
    for lengths in (torch.tensor(LENGTHS), [0] * B):
        torch.compiler.reset()
        call = torch.compile(layer, backend="eager")
        close([call(x, lengths=lengths)[0]], [layer(x, lengths=lengths)[0]])
    packed = pack_padded_sequence(x, torch.tensor([6, 3, 2, 1]))
    torch.compiler.reset()
    close([torch.compile(layer, backend="eager")(packed)[0].data], [layer(packed)[0].data])


@pytest.mark.parametrize("Layer", [LSTM, GRU])
def test_compiles_with_dynamic_shapes(Layer: Any) -> None:
    layer, _ = twins(Layer)
    call = compiled(layer, backend="aot_eager", dynamic=True)
    for shape in ((6, 4, I), (5, 3, I), (9, 2, I)):
        x, state = torch.randn(shape, requires_grad=True), random_state(layer, shape[1])
        close(results(call, x, state), results(layer, x, state))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_compiles_with_inductor() -> None:
    layer, _ = twins(GRU, bidirectional=True, batch_first=True)
    x, state = torch.randn(B, T, I, requires_grad=True), random_state(layer)
    close(results(compiled(layer), x, state), results(layer, x, state))


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_exported_program_does_not_need_seqloom(Layer: Any) -> None:
    layer = Layer(I, H, 2).eval()
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


def test_parameters_of_the_wrong_shape_are_refused() -> None:
    layer, _ = twins(GRU, num_layers=1)
    parameters = {**dict(layer.named_parameters()), "weight_hh_l0": torch.zeros(3 * H, H - 1)}
    with pytest.raises(ValueError, match=r"^seqloom::recurrence: weight_hh must be torch\.float32 \(15, 5\)"):
        torch.func.functional_call(layer, parameters, (torch.randn(T, B, I),))
