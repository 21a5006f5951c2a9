"""The options that torch.nn does not have, and the choice of the kernel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqloom.cells.gru import GRUCell
from seqloom.cells.lstm import LSTMCell
from seqloom.cells.rnn import RNNCell
from seqloom.errors import ConfigError
from seqloom.kernels import torch_backend
from seqloom.kernels.native import library
from seqloom.kernels.native.library import KERNEL_VARIABLE
from seqloom.layers.recurrent import GRU, LSTM, RNN

T, B, I, H = 5, 4, 3, 6  # noqa: E741
LAYERS = [RNN, LSTM, GRU]
KERNELS = ["torch", "reference"]
CELLS = {RNN: RNNCell, LSTM: LSTMCell, GRU: GRUCell}
# The same float64 equation, at most with its sums in another order.
EXACT = {"rtol": 0, "atol": 1e-12}


def parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


@pytest.mark.parametrize("Layer", LAYERS)
def test_layer_norm_matches_the_cell(Layer: Any) -> None:
    layer = Layer(I, H, layer_norm=True, dtype=torch.float64)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    cell = CELLS[Layer](I, H, layer_norm=True, dtype=torch.float64)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x = torch.randn(T, B, I, dtype=torch.float64)
    output, _ = layer(x)
    state = cell.initial_state(B)
    for t in range(T):
        h, state = cell.step(x[t], state)
        torch.testing.assert_close(output[t], h, **EXACT)
    assert layer.choice(x).reason == "layer_norm needs the reference kernel"


@pytest.mark.parametrize("Layer", LAYERS)
def test_options_do_not_change_the_weights_of_a_seed(Layer: Any) -> None:
    torch.manual_seed(1)
    plain = Layer(I, H, 2, bidirectional=True).state_dict()
    torch.manual_seed(1)
    rich = Layer(I, H, 2, bidirectional=True, layer_norm=True, learn_initial_state=True).state_dict()
    assert all(torch.equal(rich[name], value) for name, value in plain.items())
    assert list(rich)[: len(plain)] == list(plain)


@pytest.mark.parametrize("Layer", LAYERS)
def test_recurrent_dropout_drops_units_of_h_in_the_recurrence_only(Layer: Any) -> None:
    layer = Layer(I, H, recurrent_dropout=1.0, dtype=torch.float64)
    cut = Layer(I, H, dtype=torch.float64)
    cut.load_state_dict(layer.state_dict())
    torch.nn.init.zeros_(cut.weight_hh_l0)
    x = torch.randn(T, B, I, dtype=torch.float64)
    # With every unit dropped, W_hh h is 0; the state is still carried by c, or by z h.
    torch.testing.assert_close(layer(x)[0], cut(x)[0], **EXACT)


def test_recurrent_dropout_has_one_mask_for_all_steps() -> None:
    layer = RNN(1, 50, recurrent_dropout=0.5, dtype=torch.float64, bias=False)
    with torch.no_grad():
        layer.weight_ih_l0.fill_(1)
        layer.weight_hh_l0.copy_(torch.eye(50))
    output, _ = layer(torch.full((4, 1, 1), 0.1, dtype=torch.float64))
    # A unit that sees only itself stays at tanh(0.1) as long as it is dropped, and grows if it never is.
    resting = output[:, 0] == output[0, 0]
    assert torch.equal(resting[1], resting[2])
    assert torch.equal(resting[1], resting[3])
    # 50 fair coins: within 5 standard deviations, 5 sqrt(50)/2 < 18, of 25.
    assert resting[1].sum().item() == pytest.approx(25, abs=18)
    # A unit that is not dropped is scaled by 1 / (1 - p) = 2.
    grown = output[1, 0][~resting[1]]
    torch.testing.assert_close(grown, torch.tanh(0.1 + 2 * output[0, 0, : len(grown)]), **EXACT)


@pytest.mark.parametrize("Layer", LAYERS)
@pytest.mark.parametrize("option", ["recurrent_dropout", "weight_dropout"])
def test_dropout_is_off_in_evaluation(Layer: Any, option: str) -> None:
    layer = Layer(I, H, 2, **{option: 0.5})
    plain = Layer(I, H, 2)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(T, B, I)
    assert not torch.allclose(layer(x)[0], layer(x)[0])
    layer.eval()
    assert layer.choice(x).kernel != "reference"
    assert torch.equal(layer(x)[0], plain.eval()(x)[0])


@pytest.mark.parametrize("Layer", LAYERS)
def test_weight_dropout_drops_elements_of_weight_hh_on_the_same_kernel(Layer: Any) -> None:
    layer = Layer(I, H, 2, bidirectional=True, weight_dropout=0.5, dtype=torch.float64)
    dropped = Layer(I, H, 2, bidirectional=True, dtype=torch.float64)
    dropped.load_state_dict(layer.state_dict())
    x = torch.randn(T, B, I, dtype=torch.float64)
    assert layer.choice(x).kernel == "torch"
    torch.manual_seed(2)
    output, _ = layer(x)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, weight in dropped.named_parameters():
            if name.startswith("weight_hh"):
                weight.copy_(F.dropout(weight, 0.5))
    torch.testing.assert_close(output, dropped(x)[0], **EXACT)
    output.sum().backward()
    assert ((layer.weight_hh_l0.grad == 0) == (dropped.weight_hh_l0 == 0)).all()


@pytest.mark.parametrize("Layer", LAYERS)
def test_zoneout_is_random_in_training_and_the_expectation_in_evaluation(Layer: Any) -> None:
    layer = Layer(I, H, zoneout=0.5, dtype=torch.float64)
    plain = Layer(I, H, dtype=torch.float64)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(1, 1, I, dtype=torch.float64)
    start = torch.randn(1, 1, H, dtype=torch.float64)
    old = (start, start) if Layer is LSTM else start
    new = parts(plain(x, old)[1])
    runs = 2000
    wide = (old[0].expand(1, runs, H), old[1].expand(1, runs, H)) if Layer is LSTM else old.expand(1, runs, H)
    for mine, after in zip(parts(layer(x.expand(1, runs, I), wide)[1]), new, strict=True):
        assert ((mine == start) | torch.isclose(mine, after, rtol=0, atol=1e-12)).all()
        # Half of 2000 draws a unit, within 5 standard deviations: 5 sqrt(0.25 / 2000) < 0.056.
        assert ((mine == start).double().mean(1) - 0.5).abs().max() < 0.056
    layer.eval()
    for mine, after in zip(parts(layer(x, old)[1]), new, strict=True):
        torch.testing.assert_close(mine, (start + after) / 2, **EXACT)


def test_lstm_zoneout_may_differ_between_h_and_c() -> None:
    layer = LSTM(I, H, zoneout=(1.0, 0.0))
    state = layer.initial_state(B)
    _, new = layer(torch.randn(T, B, I), state)
    assert torch.equal(new.h, state.h)
    assert not torch.equal(new.c, state.c)
    assert LSTM(I, H, zoneout=(0.0, 0.0)).choice(torch.randn(T, B, I)).kernel != "reference"


def test_forget_gate_bias_is_the_sum_of_both_biases() -> None:
    torch.manual_seed(0)
    plain = LSTM(I, H, 2, bidirectional=True)
    torch.manual_seed(0)
    layer = LSTM(I, H, 2, bidirectional=True, forget_gate_bias=1.5)
    for mine, its in zip(layer.all_weights, plain.all_weights, strict=True):
        total = mine[2] + mine[3]
        assert (total[H : 2 * H] == 1.5).all()
        others = [*range(H), *range(2 * H, 4 * H)]
        assert torch.equal(total[others], (its[2] + its[3])[others])


@pytest.mark.parametrize("Layer", [LSTM, GRU])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_chrono_init_draws_the_logarithm_of_the_steps_that_a_unit_keeps_its_state(
    Layer: Any, layer_norm: bool
) -> None:
    H = 4000
    torch.manual_seed(0)
    layer = Layer(1, H, chrono_init=100, layer_norm=layer_norm)
    total = (layer.bias_ih_l0 + layer.bias_hh_l0).detach()
    keeping = total[H : 2 * H]  # f of an LSTM, z of a GRU
    steps = keeping.double().exp()
    assert steps.min() >= 1
    assert steps.max() <= 99 + 1e-4  # float32: 99 times 2^-24 for the logarithm, and for its sum with 0
    # Uniform in [1, 99]: the mean of 4,000 within 5 standard deviations, 5 * 98 / sqrt(12 * 4000) < 2.3.
    assert abs(steps.mean() - 50) < 2.3
    if Layer is LSTM:
        assert torch.equal(total[:H], -keeping)
    others = total[2 * H :]
    assert others.abs().max() <= 2 / H**0.5


@pytest.mark.parametrize("Layer", [LSTM, GRU])
def test_chrono_init_keeps_the_first_symbol_for_its_steps(Layer: Any) -> None:
    torch.manual_seed(0)
    T = 200
    x = torch.randn(T, 1, I, dtype=torch.float64)
    norms: list[float] = []
    for chrono_init in (None, T):
        layer = Layer(I, 64, chrono_init=chrono_init, dtype=torch.float64)
        x.requires_grad_(True)
        (gradient,) = torch.autograd.grad(layer(x)[0][-1].sum(), x)
        norms.append(float(gradient[0].norm() / gradient[-1].norm()))
    assert norms[0] < 1e-12
    assert norms[1] > 1e-3


@pytest.mark.parametrize("Layer", LAYERS)
def test_orthogonal_init_of_each_block_of_weight_hh(Layer: Any) -> None:
    layer = Layer(I, H, 2, bidirectional=True, orthogonal_init=True, dtype=torch.float64)
    for weights in layer.all_weights:
        for block in weights[1].split(H):
            torch.testing.assert_close(block @ block.T, torch.eye(H, dtype=torch.float64), **EXACT)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_orthogonal_init_of_half_precision(dtype: torch.dtype) -> None:
    layer = GRU(I, H, orthogonal_init=True, dtype=dtype)
    for block in layer.weight_hh_l0.split(H):
        assert block.dtype == dtype
        # bfloat16 keeps 8 bits of numbers up to 1: 6 products, each 2^-9 off on both sides.
        torch.testing.assert_close(block.float() @ block.float().T, torch.eye(H), rtol=0, atol=0.02)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("Layer", LAYERS)
def test_initial_state_can_be_learned(Layer: Any, kernel: str) -> None:
    layer = Layer(I, H, 2, learn_initial_state=True, kernel=kernel)
    assert all((part == 0).all() for part in parts(layer.initial_state(B)))
    learnt = [parameter for name, parameter in layer.named_parameters() if name.startswith("initial")]
    with torch.no_grad():
        for parameter in learnt:
            parameter.normal_()
    x = torch.randn(T, B, I)
    output, _ = layer(x)
    assert torch.equal(output, layer(x, layer.initial_state(B))[0])
    assert not torch.allclose(
        output,
        layer(x, tuple(torch.zeros(2, B, H) for _ in learnt) if Layer is LSTM else torch.zeros(2, B, H))[0],
    )
    output.sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in learnt)


@pytest.mark.parametrize("Layer", LAYERS)
def test_initial_state_has_the_requested_device_and_dtype(Layer: Any) -> None:
    for layer in (Layer(I, H), Layer(I, H, learn_initial_state=True)):
        for part in parts(layer.initial_state(B, dtype=torch.float64)):
            assert part.dtype == torch.float64
            assert part.shape == (1, B, H)
        assert all(part.device.type == "meta" for part in parts(layer.initial_state(B, device="meta")))
        assert all(part.dtype == torch.float32 for part in parts(layer.initial_state(B)))


@pytest.mark.parametrize("Layer", LAYERS)
def test_kernels_get_a_contiguous_state(Layer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Tensor] = []
    run = torch_backend.run
    monkeypatch.setattr(torch_backend, "run", lambda *args: given.extend(parts(args[2])) or run(*args))
    layer = Layer(I, H, 2, learn_initial_state=True, kernel="torch")
    turned = torch.randn(B, 2, H).transpose(0, 1)
    x = torch.randn(T, B, I)
    layer(x, (turned, turned) if Layer is LSTM else turned)
    layer(x)
    assert given
    assert all(part.is_contiguous() for part in given)


def test_repr_shows_options() -> None:
    assert repr(GRU(3, 4, zoneout=0.1, layer_norm=True)) == "GRU(3, 4, layer_norm=True, zoneout=0.1)"


def test_kernel_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KERNEL_VARIABLE, raising=False)
    x = torch.randn(T, B, I)
    assert GRU(I, H, kernel="torch").choice(x) == ("torch", "kernel='torch'")
    assert GRU(I, H, kernel="reference").choice(x) == ("reference", "kernel='reference'")
    monkeypatch.setenv(KERNEL_VARIABLE, "reference")
    assert GRU(I, H).choice(x, [1] * B) == ("reference", "SEQLOOM_KERNEL=reference")


def test_missing_native_kernel_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "load", lambda: "it was not built")
    x = torch.randn(T, B, I)
    with pytest.raises(ConfigError, match=r"^RNN: kernel='native' cannot do this: it was not built\."):
        RNN(I, H, kernel="native")(x)
    assert RNN(I, H).choice(x) == ("torch", "it was not built")


def test_choice_draws_no_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "load", lambda: library.Library(lambda _: 0, lambda _: 0, 3, 3))
    layer = RNN(I, H, weight_dropout=0.5, kernel="native")
    before = torch.get_rng_state()
    assert layer.choice(torch.randn(T, B, I, generator=torch.Generator())).kernel == "native"
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(ConfigError, match="recurrent_dropout in training needs the reference kernel"):
        RNN(I, H, recurrent_dropout=0.5, kernel="native").choice(torch.zeros(T, B, I))


def test_forget_gate_bias_is_for_lstm_only() -> None:
    assert LSTM(I, H).forget_gate_bias is None
    assert not hasattr(GRU(I, H), "forget_gate_bias")


@pytest.mark.parametrize(("shape", "lengths"), [((0, B, I), None), ((T, 0, I), None), ((T, B, I), [0] * B)])
def test_torch_does_not_run_empty_inputs(shape: Any, lengths: list[int] | None) -> None:
    expected = ("reference", "no row has a step, which torch's own kernel does not allow")
    x = torch.zeros(shape, dtype=torch.float64)
    assert GRU(I, H, dtype=torch.float64).choice(x, lengths) == expected
    assert GRU(I, H, kernel="torch").choice(x.float(), lengths) == expected
