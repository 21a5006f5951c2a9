"""Cells by torch's fused operators: when they are taken, and that they agree with the equations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from seqloom.cells.gru import GRUCell, gru_step
from seqloom.cells.lstm import LSTMCell, LSTMState, lstm_step
from seqloom.cells.parameters import cell_weights
from seqloom.cells.projections import input_product
from seqloom.cells.rnn import RNNCell, rnn_relu_step, rnn_tanh_step
from seqloom.errors import DataError

I, H, B = 3, 4, 5  # noqa: E741
CELLS = [
    pytest.param(RNNCell, {}, "rnn_tanh_cell", rnn_tanh_step, id="tanh"),
    pytest.param(RNNCell, {"nonlinearity": "relu"}, "rnn_relu_cell", rnn_relu_step, id="relu"),
    pytest.param(LSTMCell, {}, "lstm_cell", lstm_step, id="lstm"),
    pytest.param(GRUCell, {}, "gru_cell", gru_step, id="gru"),
]


def parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)


def random_state(cell: nn.Module, *shape: int, dtype: torch.dtype = torch.float32) -> Any:
    h = torch.randn(*shape, H, dtype=dtype)
    return LSTMState(h, torch.randn_like(h)) if isinstance(cell, LSTMCell) else h


def by_equation(cell: Any, step: Any, x: Tensor, state: Any) -> Any:
    w = cell_weights(cell)
    return step(input_product(x, w), state, w)[0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("Cell", "options", "operator", "equation"), CELLS)
def test_they_agree_with_the_equation(
    Cell: Any, options: dict[str, str], operator: str, equation: Any, dtype: torch.dtype, bias: bool
) -> None:
    cell = Cell(I, H, bias, dtype=dtype, **options)
    x, state = torch.randn(B, I, dtype=dtype), random_state(cell, B, dtype=dtype)
    # The same few operations in another order, each rounded to values near 1.
    atol = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 0.05}[dtype]
    expected = parts(by_equation(cell, equation, x, state))
    for new in (cell(x, state), cell.step(x, state)[1]):
        for mine, its in zip(parts(new), expected, strict=True):
            torch.testing.assert_close(mine, its, rtol=0, atol=atol)


@pytest.mark.parametrize(("Cell", "options", "operator", "equation"), CELLS)
def test_plain_cells_take_them(
    Cell: Any, options: dict[str, str], operator: str, equation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, fused = [], getattr(torch, operator)
    monkeypatch.setattr(torch, operator, lambda *args: calls.append(1) or fused(*args))
    cell, x = Cell(I, H, **options), torch.randn(B, I)
    cell(x)
    cell(x, cell.initial_state(B))
    cell(x[0])
    cell.step(x, cell.initial_state(B))
    assert len(calls) == 4
    # Layer norm and a step without a batch dimension are the equation's.
    Cell(I, H, layer_norm=True, **options)(x)
    cell.step(x[0], random_state(cell))
    assert len(calls) == 4


@pytest.mark.parametrize(("Cell", "options", "operator", "equation"), CELLS)
def test_autocast_gives_the_types_of_the_equation(
    Cell: Any, options: dict[str, str], operator: str, equation: Any
) -> None:
    cell, x = Cell(I, H, **options), torch.randn(B, I)
    state = random_state(cell, B)
    with torch.autocast("cpu", torch.bfloat16):
        mine, expected = parts(cell(x, state)), parts(by_equation(cell, equation, x, state))
    assert [part.dtype for part in mine] == [part.dtype for part in expected]
    for part, its in zip(mine, expected, strict=True):
        # bfloat16 keeps 8 bits of values near 1; two orders of a few operations.
        torch.testing.assert_close(part, its, rtol=0, atol=0.03)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("Cell", "options", "operator", "equation"), CELLS)
def test_a_state_that_autocast_left_is_taken_outside_it(
    Cell: Any, options: dict[str, str], operator: str, equation: Any, dtype: torch.dtype
) -> None:
    cell, x = Cell(I, H, **options), torch.randn(B, I)
    half = random_state(cell, B, dtype=dtype)
    wide = LSTMState(*(part.float() for part in half)) if isinstance(half, tuple) else half.float()
    for mine, its in zip(parts(cell(x, half)), parts(cell(x, wide)), strict=True):
        assert torch.equal(mine, its)
    with pytest.raises(DataError, match=r"must be torch\.float64, as the weights are\. Got torch\."):
        cell.double()(x.double(), half)


@pytest.mark.parametrize(("Cell", "options", "operator", "equation"), CELLS)
def test_vmap_over_rows(Cell: Any, options: dict[str, str], operator: str, equation: Any) -> None:
    cell, x = Cell(I, H, **options), torch.randn(B, I)
    state = random_state(cell, B)
    expected = parts(cell(x, state))
    for call in (cell, lambda x, state: cell.step(x, state)[1]):
        for mine, its in zip(parts(torch.func.vmap(call)(x, state)), expected, strict=True):
            # float32, one sum of 7 products in another order.
            torch.testing.assert_close(mine, its, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("Cell", "options", "operator", "equation"), CELLS)
def test_replaced_parameters_are_read(
    Cell: Any, options: dict[str, str], operator: str, equation: Any
) -> None:
    cell, x = Cell(I, H, **options), torch.randn(B, I)
    expected = parts(cell(x))
    parametrizations.weight_norm(cell, "weight_hh")
    for mine, its in zip(parts(cell(x)), expected, strict=True):
        # Its norm times its direction: rounded twice.
        torch.testing.assert_close(mine, its, rtol=0, atol=1e-6)
    sum(part.sum() for part in parts(cell(x, random_state(cell, B)))).backward()  # type: ignore[union-attr]
    assert cell.parametrizations.weight_hh.original1.grad.abs().sum() > 0


def test_half_a_state_is_refused() -> None:
    x, h = torch.zeros(2, 3), torch.zeros(2, 4)
    with pytest.raises(DataError, match=r"^LSTMCell: c of the state must be \(2, 4\)\. Got NoneType\.$"):
        LSTMCell(3, 4)(x, (h, None))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"^LSTMCell: h of the state must be \(2, 4\)\. Got NoneType\.$"):
        LSTMCell(3, 4)(x, (None, h))  # type: ignore[arg-type]


def test_a_state_is_made_as_a_tuple_is() -> None:
    state = LSTMState(torch.ones(2), torch.zeros(2))
    assert type(state)(part for part in state) == state
    assert LSTMState(h=state.h, c=state.c) == state == state._replace(h=state.h)
    for wrong in ([state.h], state.h, []):
        with pytest.raises(TypeError, match=r"^LSTMState: it is made from h and c, or from an iterable of"):
            LSTMState(wrong)  # type: ignore[call-arg]
