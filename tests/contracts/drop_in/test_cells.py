"""Every row of docs/drop-in.md about cells."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import seqloom
from seqloom.cells import RNNCell
from seqloom.errors import ConfigError

from .twins import CELLS, B, Check, H, I, parts, raises, rows, same, saved_and_loaded, table, twins

CHECKS: dict[str, tuple[str, Check]] = {}
row = table(CHECKS)


def batch(**options: Any) -> Tensor:
    return torch.randn(B, I, **options)


def state_of(cell: Any, *shape: int) -> Any:
    h = torch.randn(*shape, H)
    return (h, torch.randn_like(h)) if "LSTM" in type(cell).__name__ else h


@row("arguments, parameters, `state_dict`, attributes, `repr`", "same")
def _() -> None:
    for ours, theirs in CELLS:
        for arguments in ((I, H), (I, H, False), *([(I, H, True, "relu")] if ours is RNNCell else [])):
            cells = []
            for Cell in (ours, theirs):
                torch.manual_seed(2)
                cells.append(Cell(*arguments))
            mine, other = cells
            assert repr(mine) == repr(other)
            assert list(mine.state_dict()) == list(other.state_dict())
            assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), other.parameters(), strict=True))
            names = ("input_size", "hidden_size", "bias", *(["nonlinearity"] if ours is RNNCell else []))
            assert [getattr(mine, name) for name in names] == [getattr(other, name) for name in names]
            assert (mine.bias_ih is None) == (other.bias_ih is None)
            other.load_state_dict(mine.state_dict())
            mine.reset_parameters()
            mine.load_state_dict(other.state_dict())


@row("results and gradients", "same")
def _() -> None:
    for mine, other in twins(CELLS):
        x, state = batch(), state_of(mine, B)
        results = []
        for cell in (mine, other):
            leaves = [tensor.clone().requires_grad_() for tensor in (x, *parts(state))]
            new = parts(cell(leaves[0], tuple(leaves[1:]) if len(leaves) == 3 else leaves[1]))
            loss = sum(part.pow(2).sum() for part in new)
            results.append([*new, *torch.autograd.grad(loss, [*leaves, *cell.parameters()])])
        assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


@row("input (B, I) or (I,), a state or None", "same")
def _() -> None:
    for mine, other in twins(CELLS):
        for x, shape in ((batch(), (B,)), (torch.randn(I), ()), (torch.randn(0, I), (0,))):
            for state in (None, state_of(mine, *shape)):
                same(mine(x, state), other(x, state))


@row("`(h, c)` of an LSTM, and `type(state)(part.detach() for part in state)`", "same")
def _() -> None:
    ((mine, other),) = twins([CELLS[1]])
    for cell in (mine, other):
        h, c = cell(batch())
        state = cell(batch(), (h, c))
        assert isinstance(state, tuple)
        cell(batch(), type(state)(part.detach() for part in state))


@row("second derivatives", "same")
def _() -> None:
    for mine, other in twins(CELLS):
        x, second = batch(requires_grad=True), []
        for cell in (mine, other):
            tensors = [x, *cell.parameters()]
            loss = sum(part.pow(2).sum() for part in parts(cell(x)))
            first = torch.autograd.grad(loss, tensors, create_graph=True)
            second.append(torch.autograd.grad(sum(g.pow(2).sum() for g in first), tensors))
        same(*second)


@row("`torch.func.functional_call`", "same")
def _() -> None:
    x = batch()
    for mine, other in twins(CELLS):
        values = {name: torch.randn_like(value) for name, value in mine.named_parameters()}
        same(*(torch.func.functional_call(cell, values, (x,)) for cell in (mine, other)))


@row("`torch.func.vmap`", "better")
def _() -> None:
    x = batch()
    for mine, other in twins(CELLS):
        same(torch.func.vmap(mine)(x), mine(x))
        if isinstance(other, nn.LSTMCell):
            assert "Batching rule not implemented" in raises(lambda o=other: torch.func.vmap(o)(x))


@row("`copy.deepcopy`, `torch.save` of the module, `share_memory`", "same")
def _() -> None:
    x = batch()
    for mine, other in twins(CELLS):
        for cell in (mine, other):
            expected = cell(x)
            same(copy.deepcopy(cell)(x), expected)
            same(saved_and_loaded(cell)(x), expected)
            assert all(parameter.is_shared() for parameter in cell.share_memory().parameters())
            same(cell(x), expected)


@row('`to(dtype)`, `half`, `bfloat16`, `double`, `to("meta")`', "same")
def _() -> None:
    for mine, other in twins(CELLS):
        for dtype in (torch.float64, torch.bfloat16, torch.float16):
            x = batch(dtype=dtype)
            same(mine.to(dtype)(x), other.to(dtype)(x))
        for name in ("half", "bfloat16", "double", "float"):
            assert getattr(mine, name)().weight_hh.dtype == getattr(other, name)().weight_hh.dtype
        for cell in (mine, other):
            results = parts(cell.to("meta")(batch(device="meta")))
            assert {(part.device.type, part.shape) for part in results} == {("meta", (B, H))}


@row("hooks, `nn.utils.parametrize`, `weight_norm`", "same")
def _() -> None:
    x = batch()
    for mine, other in twins(CELLS):
        seen: list[list[Any]] = []
        for cell in (mine, other):
            calls: list[Any] = []
            cell.register_forward_pre_hook(
                lambda _, args, kwargs, calls=calls: calls.append((len(args), list(kwargs))), with_kwargs=True
            )
            cell.register_forward_hook(
                lambda _, args, output, calls=calls: calls.append((len(args), len(parts(output))))
            )
            cell(x, hx=None)
            seen.append(calls)
        assert seen[0] == seen[1]
        assert len(seen[0]) == 2
        normed = [parametrizations.weight_norm(cell, "weight_ih") for cell in (mine, other)]
        same(normed[0](x), normed[1](x))


@row("autocast", "better")
def _() -> None:
    x = batch()
    for mine, other in twins(CELLS):
        with torch.autocast("cpu", torch.bfloat16):
            one, two = mine(x), other(x)
        assert [part.dtype for part in parts(one)] == [part.dtype for part in parts(two)]
        half = tuple(part.bfloat16() for part in parts(one))
        state = half if len(half) == 2 else half[0]
        assert parts(mine(x, state))[0].dtype == torch.float32
        if len(half) == 1:
            assert "dtype" in raises(lambda o=other, s=state: o(x, s))


@row("`torch.compile`, `torch.export`, `torch.jit.trace`", "same")
def _() -> None:
    x = batch()
    for mine, other in twins(CELLS):
        torch.compiler.reset()
        same(torch.compile(mine, backend="eager", fullgraph=True)(x), mine(x))
        program = torch.export.export(mine, (x,))
        assert "seqloom" not in str(program.graph)
        same(program.module()(x), other(x))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is deprecated, and it warns of every check of a shape
            traced = torch.jit.trace(mine, (x,))
        wider = torch.randn(2 * B, I)
        same(traced(wider), other(wider))


@row("`torch.jit.script`", "not")
def _() -> None:
    for mine, _ in twins(CELLS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit is deprecated
            with pytest.raises(ConfigError, match=rf"^{type(mine).__name__}: torch\.jit\.script cannot"):
                torch.jit.script(nn.Sequential(mine))
            x, back = batch(), seqloom.convert_recurrent(nn.Sequential(mine), to="torch")
            same(torch.jit.script(back)(x), back(x))


@row("int8 by `torch.ao.quantization`", "not")
def _() -> None:
    quantize = torch.ao.quantization.quantize_dynamic
    for mine, other in twins(CELLS):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert type(quantize(nn.Sequential(mine))[0]) is type(mine)
            assert "Quantized" in repr(quantize(nn.Sequential(other)))
        said = [str(warning.message) for warning in caught if "seqloom" in str(warning.message)]
        hint = 'Use seqloom.convert_recurrent(model, to="torch") first.'
        name = type(mine).__name__
        assert said == [f"{name}: torch.ao.quantization leaves seqloom's layers in float32. {hint}"]


@row("`isinstance(cell, nn.RNNCellBase)`", "not")
def _() -> None:
    assert [isinstance(cell, nn.RNNCellBase) for pair in twins(CELLS) for cell in pair] == [False, True] * 3


def test_every_row_has_its_check() -> None:
    assert rows("Cells") == {name: here for name, (here, _) in CHECKS.items()}


@pytest.mark.parametrize("name", CHECKS)
def test_row(name: str) -> None:
    CHECKS[name][1]()
