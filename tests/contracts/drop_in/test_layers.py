"""Every row of docs/drop-in.md about layers."""

from __future__ import annotations

import copy
import inspect
import re
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, parameters_to_vector, parametrizations
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import seqloom
from seqloom.errors import ConfigError, DataError
from seqloom.kernels.native import library

from .twins import (
    LAYERS,
    B,
    Check,
    H,
    I,
    T,
    parts,
    raises,
    rows,
    same,
    saved_and_loaded,
    table,
    twins,
)

CHECKS: dict[str, tuple[str, Check]] = {}
row = table(CHECKS)


def sequence(**options: Any) -> Tensor:
    return torch.randn(T, B, I, **options)


def state_of(layer: Any, rows: int = B) -> Any:
    h = torch.randn(len(layer.all_weights), rows, H)
    return (h, torch.randn_like(h)) if layer.mode == "LSTM" else h


@row("arguments, in their order", "same")
def _() -> None:
    for ours, theirs in LAYERS:
        mine = list(inspect.signature(ours).parameters)
        if theirs is nn.RNN:
            arguments = (I, H, 2, "relu", False, True, 0.5, True)
        else:
            arguments = (I, H, 2, False, True, 0.5, True, *((2,) if theirs is nn.LSTM else ()))
        assert repr(ours(*arguments)) == repr(theirs(*arguments))
        assert mine[:2] == ["input_size", "hidden_size"]
        assert mine[-3:] == ["device", "dtype", "options"]


@row("names, shapes and order of parameters", "same")
def _() -> None:
    for ours, theirs in LAYERS:
        for options in ({}, {"num_layers": 2, "bidirectional": True}, {"bias": False}):
            torch.manual_seed(3)
            mine = ours(I, H, **options)
            torch.manual_seed(3)
            other = theirs(I, H, **options)
            assert list(dict(mine.named_parameters())) == list(dict(other.named_parameters()))
            for one, two in zip(mine.parameters(), other.parameters(), strict=True):
                assert torch.equal(one, two)


@row("`state_dict`, `load_state_dict`", "same")
def _() -> None:
    for mine, other in twins(LAYERS, 2, bidirectional=True):
        assert list(mine.state_dict()) == list(other.state_dict())
        nn.init.ones_(mine.weight_hh_l1)
        other.load_state_dict(mine.state_dict())
        assert torch.equal(other.weight_hh_l1, mine.weight_hh_l1)
        assert "Missing key" in raises(lambda mine=mine: mine.load_state_dict({}))


@row(
    "`mode`, `input_size`, `hidden_size`, `num_layers`, `bias`, `batch_first`, `dropout`, `bidirectional`, "
    "`proj_size`, `nonlinearity`",
    "same",
)
def _() -> None:
    names = ["mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout"]
    names += ["bidirectional", "proj_size"]
    for mine, other in twins(LAYERS, num_layers=2, bias=False, batch_first=True, dropout=0.5):
        assert [getattr(mine, name) for name in names] == [getattr(other, name) for name in names]
    assert seqloom.RNN(I, H).nonlinearity == nn.RNN(I, H).nonlinearity
    assert seqloom.LSTM(I, H, proj_size=2).proj_size == 2


@row("`repr`", "same")
def _() -> None:
    for mine, other in twins(LAYERS, num_layers=2, bias=False, dropout=0.5, bidirectional=True):
        assert repr(mine) == repr(other)


@row("`all_weights`, `_all_weights`, `_flat_weights`, `_flat_weights_names`", "same")
def _() -> None:
    for mine, other in twins(LAYERS, 2, bidirectional=True):
        same(mine.all_weights, other.all_weights)
        same(mine._flat_weights, other._flat_weights)
        assert all(a is b for a, b in zip(mine._flat_weights, mine.parameters(), strict=True))
        assert mine._all_weights == other._all_weights
        assert mine._flat_weights_names == other._flat_weights_names
        assert raises(lambda mine=mine: setattr(mine, "_flat_weights", [])).startswith("AttributeError")


@row("`reset_parameters`, `flatten_parameters`", "same")
def _() -> None:
    for mine, other in twins(LAYERS, 2):
        for layer in (mine, other):
            torch.manual_seed(5)
            layer.reset_parameters()
            assert layer.flatten_parameters() is None
        same(list(mine.parameters()), list(other.parameters()))


@row(
    "`get_expected_hidden_size`, `get_expected_cell_size`, `check_input`, `check_hidden_size`, "
    "`check_forward_args`, `permute_hidden`",
    "same",
)
def _() -> None:
    x, order = sequence(), torch.tensor([2, 0, 1])
    packed = pack_padded_sequence(x, torch.tensor([5, 3, 1]))
    for options in ({}, {"batch_first": True, "num_layers": 2, "bidirectional": True}):
        for mine, other in twins(LAYERS, **options):
            rows = T if mine.batch_first else B
            state = state_of(mine, rows)
            calls = [("get_expected_hidden_size", x, None), ("check_input", x, None)]
            calls += [("get_expected_hidden_size", packed.data, packed.batch_sizes)]
            calls += [("check_forward_args", x, state, None), ("permute_hidden", state, None)]
            if mine.mode == "LSTM":
                calls += [("get_expected_cell_size", x, None)]
            for name, *arguments in calls:
                one, two = (getattr(layer, name)(*arguments) for layer in (mine, other))
                assert one is two is state if name == "permute_hidden" else one == two
            state = state_of(mine, 3)
            same(mine.permute_hidden(state, order), other.permute_hidden(state, order))
            h = parts(state)[0]
            assert mine.check_hidden_size(h, tuple(h.shape)) is None
            wrong = [("check_hidden_size", h, (9, 9, 9)), ("check_input", x[..., 1:], None)]
            wrong += [("check_input", x[0], None), ("check_input", x.double(), None)]
            wrong += [("check_forward_args", x[:1, :1], state, None)]
            for name, *arguments in wrong:
                assert "Error: " in raises(lambda o=other, n=name, a=arguments: getattr(o, n)(*a))
                with pytest.raises(DataError, match=rf"^{type(mine).__name__}: "):
                    getattr(mine, name)(*arguments)


@row("a parameter assigned: `layer.weight_hh_l0 = nn.Parameter(...)`", "same")
def _() -> None:
    x = sequence()
    for mine, other in twins(LAYERS):
        before, new = mine(x)[0], nn.Parameter(torch.randn_like(mine.weight_hh_l0))
        mine.weight_hh_l0 = other.weight_hh_l0 = new
        same(mine(x), other(x))
        assert not torch.allclose(mine(x)[0], before)


@row("input (T, B, I), (B, T, I) or (T, I)", "same")
def _() -> None:
    for batch_first in (False, True):
        for mine, other in twins(LAYERS, num_layers=2, bidirectional=True, batch_first=batch_first):
            for x in (sequence(), torch.randn(T, I)):
                rows = 1 if x.dim() == 2 else T if batch_first else B
                state = state_of(mine, rows)
                if x.dim() == 2:
                    state = tuple(p[:, 0] for p in state) if isinstance(state, tuple) else state[:, 0]
                same(mine(x), other(x))
                same(mine(x, state), other(x, state))


@row("a `PackedSequence` in and out", "same")
def _() -> None:
    packed = pack_padded_sequence(sequence(), torch.tensor([2, 5, 1]), enforce_sorted=False)
    for mine, other in twins(LAYERS, 2, bidirectional=True):
        for start in (None, state_of(mine)):
            (output, state), (expected, its) = mine(packed, start), other(packed, start)
            assert isinstance(output, PackedSequence)
            same([output.data, state], [expected.data, its])
            assert torch.equal(output.batch_sizes, expected.batch_sizes)
            assert torch.equal(output.unsorted_indices, expected.unsorted_indices)


@row("a batch without a row", "same")
def _() -> None:
    for mine, other in twins(LAYERS):
        empty = torch.zeros(T, 0, I)
        same(mine(empty), other(empty))


@row("a sequence without a step", "better")
def _() -> None:
    for mine, other in twins(LAYERS):
        empty, state = torch.zeros(0, B, I), state_of(mine)
        output, new = mine(empty, state)
        assert output.shape == (0, B, H)
        same(new, state)
        assert "larger than 0" in raises(lambda other=other, empty=empty: other(empty))


@row("the state of an LSTM: `(h, c)`, a tuple or a list, in and out", "same")
def _() -> None:
    ((mine, other),) = twins([LAYERS[1]])
    x, pair = sequence(), state_of(mine)
    for state in (pair, list(pair)):
        same(mine(x, state), other(x, state))
    _, (h, c) = mine(x)
    _, state = mine(x)
    assert torch.equal(state[0], h)
    assert torch.equal(state.c, c)


@row("`type(state)(part.detach() for part in state)`", "same")
def _() -> None:
    ((mine, other),) = twins([LAYERS[1]])
    for layer in (mine, other):
        _, state = layer(sequence())
        detached = type(state)(part.detach() for part in state)
        assert type(detached) is type(state)
        assert not any(part.requires_grad for part in detached)
        layer(sequence(), detached)


@row("`output += x` before the backward pass", "better")
def _() -> None:
    for mine, other in twins(LAYERS):
        gradients = []
        for layer in (mine, other):
            torch.manual_seed(0)
            x = sequence(requires_grad=True)
            output, _ = layer(x)
            output += x.detach()[..., :1]
            output.mul_(2)
            if layer is mine or layer.mode != "LSTM":
                gradients.append(torch.autograd.grad(output.pow(2).sum(), [x, *layer.parameters()]))
        if mine.mode != "LSTM":
            same(*gradients)
        elif mine.choice(sequence()).kernel == "native":
            assert "modified by an inplace operation" in raises(output.sum().backward)


@row("dropout between layers", "same")
def _() -> None:
    x = sequence()
    for mine, other in twins(LAYERS, num_layers=3, dropout=0.5):
        torch.manual_seed(4)
        first = mine(x)
        torch.manual_seed(4)
        same(first, other(x))
        same(mine.eval()(x), other.eval()(x))


@row("second derivatives", "same")
def _() -> None:
    for mine, other in twins(LAYERS):
        second = []
        for layer in (mine, other):
            torch.manual_seed(1)
            x = sequence(requires_grad=True)
            tensors = [x, *layer.parameters()]
            first = torch.autograd.grad(layer(x)[0].pow(2).sum(), tensors, create_graph=True)
            second.append(torch.autograd.grad(sum(g.pow(2).sum() for g in first), tensors))
        for one, two in zip(*second, strict=True):
            # float32, sums of some 1000 products: errors are measured against a tensor's largest value.
            assert (one - two).abs().max() <= 1e-5 * max(1.0, two.abs().max().item())


@row("`torch.func.functional_call`", "same")
def _() -> None:
    x = sequence()
    for mine, other in twins(LAYERS):
        values = {name: torch.randn_like(value) for name, value in mine.named_parameters()}
        before = mine(x)
        call = torch.func.functional_call
        same(call(mine, values, (x,)), call(other, values, (x,)))
        same(mine(x), before)


@row("`torch.func.vmap`", "better")
def _() -> None:
    for mine, other in twins(LAYERS):
        each = torch.randn(2, T, B, I)
        mapped = torch.func.vmap(lambda x, mine=mine: mine(x)[0])(each)
        same(mapped, torch.stack([mine(x)[0] for x in each]))
        call = torch.func.vmap(lambda x, other=other: other(x)[0])
        assert "Batching rule not implemented" in raises(lambda call=call, each=each: call(each))


@row("`copy.deepcopy`, `torch.save` of the module, `share_memory`", "same")
def _() -> None:
    x = sequence()
    for mine, other in twins(LAYERS):
        for layer in (mine, other):
            expected = layer(x)
            same(copy.deepcopy(layer)(x), expected)
            same(saved_and_loaded(layer)(x), expected)
            assert all(parameter.is_shared() for parameter in layer.share_memory().parameters())
            same(layer(x), expected)


@row('`to(dtype)`, `half`, `bfloat16`, `double`, `to("meta")`', "same")
def _() -> None:
    for mine, other in twins(LAYERS):
        for dtype in (torch.float64, torch.bfloat16, torch.float16, torch.float32):
            output, state = mine.to(dtype)(sequence(dtype=dtype))
            assert {part.dtype for part in parts([output, state])} == {dtype}
            assert {part.dtype for part in other.to(dtype).parameters()} == {dtype}
        assert [next(m().parameters()).dtype for m in (mine.half, mine.bfloat16, mine.double)] == [
            torch.float16,
            torch.bfloat16,
            torch.float64,
        ]
        x = sequence(device="meta")
        for layer in (mine.float(), other):
            output, state = layer.to("meta")(x)
            assert {part.device.type for part in parts([output, state])} == {"meta"}
            assert output.shape == (T, B, H)


@row("hooks before and after forward and backward", "same")
def _() -> None:
    for mine, other in twins(LAYERS):
        seen: list[list[Any]] = []
        for layer in (mine, other):
            calls: list[Any] = []
            layer.register_forward_pre_hook(
                lambda _, args, kwargs, calls=calls: calls.append((len(args), list(kwargs))), with_kwargs=True
            )
            layer.register_forward_hook(
                lambda _, args, output, calls=calls: calls.append((len(args), len(output)))
            )
            layer.register_full_backward_hook(
                lambda _, given, above, calls=calls: calls.append(([g.shape for g in given], len(above)))
            )
            output, _ = layer(sequence(requires_grad=True), hx=None)
            output.sum().backward()
            seen.append(calls)
        assert seen[0] == seen[1]
        assert len(seen[0]) == 3


@row("`nn.utils.parametrize`, `weight_norm`", "same")
def _() -> None:
    x = sequence()
    for replace in (parametrizations.weight_norm, nn.utils.weight_norm):
        for mine, other in twins(LAYERS):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of the older of the two
                layers = [replace(layer, "weight_hh_l0") for layer in (mine, other)]
            same(layers[0](x), layers[1](x))
            layers[0](x)[0].sum().backward()
            assert all(parameter.grad is not None for parameter in layers[0].parameters())
    with pytest.raises(ConfigError, match=r"its parameters must be torch\.nn's own"):
        seqloom.convert_recurrent(parametrizations.weight_norm(nn.GRU(I, H), "weight_hh_l0"))


@row("`clip_grad_norm_`, `parameters_to_vector`, frozen parameters", "same")
def _() -> None:
    x = sequence()
    for mine, other in twins(LAYERS):
        norms = []
        for layer in (mine, other):
            layer.weight_ih_l0.requires_grad_(False)
            layer(x)[0].sum().backward()
            assert layer.weight_ih_l0.grad is None
            norms.append(clip_grad_norm_(layer.parameters(), 0.1))
        same(*norms)
        same(parameters_to_vector(mine.parameters()), parameters_to_vector(other.parameters()))


@row("autocast", "better")
def _() -> None:
    x = sequence()
    for kernel in ("auto", "reference"):
        for ours, _ in LAYERS:
            layer = ours(I, H, kernel=kernel)
            with torch.autocast("cpu", torch.bfloat16):
                output, state = layer(x)
            assert {part.dtype for part in parts([output, state])} == {torch.bfloat16}
            wide = tuple(part.float() for part in parts(state))
            same(layer(x, state), layer(x, wide if len(wide) == 2 else wide[0]))


# Without the library torch's kernel runs, which leaves the graph.
@row("`torch.compile`", "better")
def _() -> None:
    x = sequence()
    for mine, other in twins(LAYERS[2:]):
        torch.compiler.reset()
        call = torch.compile(other, backend="eager", fullgraph=True)
        assert "does not support RNN, GRU, or LSTM" in raises(lambda call=call: call(x))
        if library.available():
            torch.compiler.reset()
            same(torch.compile(mine, backend="aot_eager", fullgraph=True)(x), mine(x))


@row("`torch.export`", "same")
def _() -> None:
    x = sequence()
    for mine, other in twins(LAYERS):
        program = torch.export.export(mine.eval(), (x,))
        assert "seqloom" not in str(program.graph)
        same(program.module()(x), other(x))


@row("`torch.jit.trace`", "same")
def _() -> None:
    for mine, other in twins(LAYERS, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is deprecated, and it warns of every check of a shape
            traced = torch.jit.trace(mine.eval(), (sequence(),))
        longer = torch.randn(2 * T, B + 1, I)
        same(traced(longer), other.eval()(longer))


def scripted(module: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit is deprecated
        return torch.jit.script(module)


@row("`torch.jit.script`", "not")
def _() -> None:
    for mine, _ in twins(LAYERS):
        for model in (mine, nn.Sequential(nn.Sequential(mine))):
            expected = (
                rf"^{type(mine).__name__}: torch\.jit\.script cannot compile seqloom's layers, which "
                r"torch\.jit\.trace can\. Use seqloom\.convert_recurrent\(model, to=\"torch\"\) first\.$"
            )
            with pytest.raises(ConfigError, match=expected):
                scripted(model)
        back, x = seqloom.convert_recurrent(nn.Sequential(mine), to="torch"), sequence()
        same(scripted(back)(x), back(x))


@row("int8 by `torch.ao.quantization`", "not")
def _() -> None:
    quantize = torch.ao.quantization.quantize_dynamic
    for mine, other in twins(LAYERS[1:]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert "Quantized" in repr(quantize(nn.Sequential(other)))
            assert "Quantized" in repr(quantize(seqloom.convert_recurrent(nn.Sequential(mine), to="torch")))
        expected = (
            rf"^{type(mine).__name__}: torch\.ao\.quantization leaves seqloom's layers in float32\. "
            r"Use seqloom\.convert_recurrent\(model, to=\"torch\"\) first\.$"
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            quantized = quantize(nn.Sequential(mine, nn.Linear(H, H)))
        (said,) = [str(warning.message) for warning in caught if "seqloom" in str(warning.message)]
        assert re.match(expected, said)
        assert type(quantized[0]) is type(mine)
        assert "Quantized" in repr(quantized[1])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ConfigError, match=expected):
                quantize(nn.Sequential(mine), {type(mine)})


@row("`isinstance(layer, nn.RNNBase)`", "not")
def _() -> None:
    assert [isinstance(layer, nn.RNNBase) for pair in twins(LAYERS) for layer in pair] == [False, True] * 3


@row("subclasses", "not")
def _() -> None:
    assert all(ours.__final__ for ours, _ in LAYERS)


@row("errors", "better")
def _() -> None:
    for mine, other in twins(LAYERS):
        wrong: list[tuple[Any, ...]] = [(torch.zeros(T, B, I + 1),), (torch.zeros(T, B, I).double(),)]
        wrong += [(torch.zeros(I),), (sequence(), torch.zeros(1, B, 1)), (sequence(), (torch.zeros(1),) * 3)]
        for arguments in wrong:
            assert "Error: " in raises(lambda other=other, a=arguments: other(*a))
            message = raises(lambda mine=mine, a=arguments: mine(*a))
            assert message.startswith(f"DataError: {type(mine).__name__}: ")
            assert "Got " in message
            assert "\n" not in message


def test_every_row_has_its_check() -> None:
    assert rows("Layers") == {name: here for name, (here, _) in CHECKS.items()}


@pytest.mark.parametrize("name", CHECKS)
def test_row(name: str) -> None:
    CHECKS[name][1]()
