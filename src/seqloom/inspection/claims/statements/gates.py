"""Claims 17 to 21, 23 and 24: what is inside an LSTM and a GRU, and what each gate does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqloom.inspection.claims.bench import Bench
from seqloom.inspection.claims.claim import Check, Finding, Picture, least, most
from seqloom.layers.recurrent import GRU, LSTM

UNITS, SEEDS = 8, 3
CLOSED, OPEN = -1e4, 1e4
"""Biases at which a sigmoid is exactly 0 and 1"""
LSTM_GATES, GRU_GATES = "ifgo", "rzn"


def has_four_layers(bench: Bench) -> Finding:
    """17: the layer against four small networks by hand."""
    del bench
    errors, layer = [], _lstm(0)
    for seed in range(SEEDS):
        layer, x = _lstm(seed), _inputs(seed)
        errors.append(float((layer(x)[0] - _lstm_by_hand(layer, x)[0]).abs().max()))
    blocks = layer.state_dict()["weight_hh_l0"].shape[0] / UNITS
    return Finding(
        f"an LSTM of {UNITS} units over 20 steps in float64, against four layers of one matrix each, three "
        "sigmoids and a tanh, put together by hand",
        (
            Check("blocks of its weights", blocks, at_least=4, at_most=4),
            most("outputs differ by", errors, 1e-12),
        ),
    )


def has_three_gates(bench: Bench) -> Finding:
    """18: which of the four are gates, from 0 to 1."""
    del bench
    layer, x = _lstm(0), 30 * _inputs(0)
    _, _, (gates,) = layer.trace(x)
    low = [float(getattr(gates, name).min()) for name in "ifo"]
    high = [float(getattr(gates, name).max()) for name in "ifo"]
    return Finding(
        f"an LSTM of {UNITS} units over 20 steps with large inputs: the values of its four layers",
        (
            least("input, forget and output gate, at the least", low, 0.0),
            most("at the most", high, 1.0),
            Check("the fourth, the candidate, reaches", float(gates.g.min()), at_most=-0.5),
        ),
        Picture(
            "bars",
            (),
            {name: (float(getattr(gates, name).min()),) for name in LSTM_GATES},
            y_label="least value",
        ),
    )


def forget_gate_controls(bench: Bench) -> Finding:
    """19: the forget gate at 0 and at 1."""
    del bench
    left, kept, curves = [], [], {}
    for seed in range(SEEDS):
        x = _inputs(seed, 100)
        closed = _clamped(_lstm(seed), f=CLOSED)
        left.append(float((_run(closed, x, 1.0)[0] - _run(closed, x, 0.0)[0]).abs().max()))
        holds = _clamped(_lstm(seed), f=OPEN, i=CLOSED)
        kept.append(float((_run(holds, x, 1.0) - 1.0).abs().max()))
    for value in (0.5, 0.9, 0.99):
        layer = _clamped(_lstm(0), f=float(torch.logit(torch.tensor(value))), i=CLOSED)
        curves[f"{value}"] = tuple(_run(layer, _inputs(0, 100), 1.0)[:, 0, 0].tolist())
    return Finding(
        f"an LSTM of {UNITS} units whose cell starts at 1 or 0; its forget gate clamped at 0, then at "
        "1 with the "
        "input gate shut, over 100 steps",
        (
            most("at 0: of the old cell is left after one step", left, 0.0),
            most("at 1: the cell moves in 100 steps by", kept, 1e-12),
        ),
        Picture("lines", tuple(map(float, range(1, 101))), curves, "steps, forget gate at", "cell"),
    )


def input_gate_controls(bench: Bench) -> Finding:
    """20: what of two different sequences is in the cell, the input gate at 0 and at 1."""
    del bench
    shut, opened = [], []
    for seed in range(SEEDS):
        x, y = _inputs(seed), _inputs(seed + 100)
        for gate, values in ((CLOSED, shut), (OPEN, opened)):
            layer = _clamped(_lstm(seed), i=gate, f=OPEN)
            values.append(float((_run(layer, x, 0.5) - _run(layer, y, 0.5)).abs().max()))
    return Finding(
        f"two different sequences through an LSTM of {UNITS} units from the same cell, its input gate "
        "clamped "
        "at 0 and at 1, its forget gate at 1",
        (
            most("at 0: the cells differ by", shut, 0.0),
            least("at 1: the cells differ by", opened, 0.1),
        ),
        Picture(
            "bars", (), {"shut": (max(shut),), "open": (min(opened),)}, y_label="difference of the cells"
        ),
    )


def output_gate_controls(bench: Bench) -> Finding:
    """21: what is shown of a cell, the output gate at 0 and at 1."""
    del bench
    shown, cells, errors = [], [], []
    for seed in range(SEEDS):
        x = _inputs(seed)
        layer = _clamped(_lstm(seed), o=CLOSED)
        shown.append(float(layer(x)[0].abs().max()))
        cells.append(float(_run(layer, x, 0.0).abs().max()))
        layer = _clamped(_lstm(seed), o=OPEN)
        errors.append(float((layer(x)[0] - torch.tanh(_run(layer, x, 0.0))).abs().max()))
    return Finding(
        f"an LSTM of {UNITS} units over 20 steps, its output gate clamped at 0 and at 1",
        (
            most("at 0: the output, at the most", shown, 0.0),
            least("while the cell reaches", cells, 0.01),
            most("at 1: the output differs from tanh of the cell by", errors, 1e-12),
        ),
        Picture("bars", (), {"output": (max(shown),), "cell": (min(cells),)}, y_label="largest value"),
    )


def gru_has_two_gates(bench: Bench) -> Finding:
    """23: the update and the reset gate, by hand and clamped."""
    del bench
    errors, kept, reset = [], [], []
    for seed in range(SEEDS):
        x = _inputs(seed)
        layer = _gru(seed)
        errors.append(float((layer(x)[0] - _gru_by_hand(layer, x)).abs().max()))
        h = torch.full((1, 1, UNITS), 0.5, dtype=torch.float64)
        kept.append(float((_clamped(_gru(seed), z=OPEN)(x, h)[0] - h).abs().max()))
        fresh = _clamped(_gru(seed), r=CLOSED, z=CLOSED)
        reset.append(float((fresh(x, h)[0] - fresh(x, -h)[0]).abs().max()))
    return Finding(
        f"a GRU of {UNITS} units over 20 steps in float64 against its equation with two gates; the "
        "update gate "
        "clamped at 1, and both at 0",
        (
            most("outputs differ by", errors, 1e-12),
            most("update gate at 1: h moves by", kept, 1e-12),
            most("both at 0: what is left of the old h", reset, 0.0),
        ),
    )


def gru_has_no_cell(bench: Bench) -> Finding:
    """24: what is carried, and that it is enough."""
    del bench
    errors, h = [], None
    for seed in range(SEEDS):
        layer, x = _gru(seed), _inputs(seed)
        _, h = layer(x[:10])
        errors.append(float((layer(x[10:], h)[0] - layer(x)[0][10:]).abs().max()))
    carried = 1.0 if isinstance(h, Tensor) else 2.0
    lstm_carried = float(len(_lstm(0)(_inputs(0))[1]))
    return Finding(
        "a GRU over 20 steps, and over the last ten from its hidden state alone, in float64, 3 seeds",
        (
            Check("tensors that a GRU carries", carried, at_least=1, at_most=1),
            Check("tensors that an LSTM carries", lstm_carried, at_least=2, at_most=2),
            most("outputs differ by", errors, 1e-12),
        ),
        Picture("bars", (), {"GRU": (carried,), "LSTM": (lstm_carried,)}, y_label="tensors carried"),
    )


def _lstm(seed: int) -> LSTM:
    torch.manual_seed(seed)
    return LSTM(3, UNITS, dtype=torch.float64).requires_grad_(False)


def _gru(seed: int) -> GRU:
    torch.manual_seed(seed)
    return GRU(3, UNITS, dtype=torch.float64).requires_grad_(False)


def _inputs(seed: int, steps: int = 20) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(steps, 1, 3, dtype=torch.float64, generator=generator)


def _clamped(layer: Any, **biases: float) -> Any:
    """The layer with gates that depend on nothing but a bias."""
    order = LSTM_GATES if layer.cell == "lstm" else GRU_GATES
    for name, bias in biases.items():
        rows = slice(order.index(name) * UNITS, (order.index(name) + 1) * UNITS)
        for weight in (layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_hh_l0):
            weight[rows] = 0.0
        layer.bias_ih_l0[rows] = bias
    return layer


def _run(layer: LSTM, x: Tensor, cell: float) -> Tensor:
    """c of every step (T, 1, H), from a cell that starts at `cell`."""
    h = torch.zeros(1, 1, UNITS, dtype=x.dtype)
    return layer.trace(x, (h, torch.full_like(h, cell)))[2][0].c


def _lstm_by_hand(layer: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    W, U = layer.weight_ih_l0.split(UNITS), layer.weight_hh_l0.split(UNITS)
    b = (layer.bias_ih_l0 + layer.bias_hh_l0).split(UNITS)
    h = c = torch.zeros(1, UNITS, dtype=x.dtype)
    outputs = []
    for step in x:
        i, f, g, o = (step @ W[k].T + h @ U[k].T + b[k] for k in range(4))
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs), c


def _gru_by_hand(layer: Any, x: Tensor) -> Tensor:
    W, U = layer.weight_ih_l0.split(UNITS), layer.weight_hh_l0.split(UNITS)
    b, d = layer.bias_ih_l0.split(UNITS), layer.bias_hh_l0.split(UNITS)
    h = torch.zeros(1, UNITS, dtype=x.dtype)
    outputs = []
    for step in x:
        a = [step @ W[k].T + b[k] for k in range(3)]
        v = [h @ U[k].T + d[k] for k in range(3)]
        r, z = torch.sigmoid(a[0] + v[0]), torch.sigmoid(a[1] + v[1])
        n = torch.tanh(a[2] + r * v[2])
        h = (1 - z) * n + z * h
        outputs.append(h)
    return torch.stack(outputs)
