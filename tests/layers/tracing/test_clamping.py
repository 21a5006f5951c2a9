"""Clamped gates and states have their number at every step; afterwards everything is as before."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqloom.errors import ConfigError
from seqloom.layers.recurrent import GRU, LSTM, RNN
from seqloom.layers.tracing import clamp, record

T, B, I, H = 6, 3, 4, 5  # noqa: E741
TIGHT = {"rtol": 0, "atol": 1e-6}  # of a sigmoid in float32
CELLS = [
    *[(LSTM, gate, number) for gate in ("input", "forget", "output") for number in (0.0, 0.25, 1.0)],
    *[(LSTM, "candidate", number) for number in (-1.0, 0.5)],
    *[(LSTM, "cell", number) for number in (-0.9, 0.0, 1.0)],
    *[(LSTM, "hidden", number) for number in (-0.7, 0.0, 0.5)],
    *[(GRU, gate, number) for gate in ("reset", "update") for number in (0.0, 0.25, 1.0)],
    *[(GRU, "candidate", 0.5), (GRU, "hidden", -0.5), (GRU, "hidden", 1.0)],
    *[(RNN, "hidden", -1.0), (RNN, "hidden", 0.5)],
]


@pytest.mark.parametrize("options", [{}, {"layer_norm": True}, {"kernel": "torch"}], ids=str)
@pytest.mark.parametrize(("Layer", "value", "number"), CELLS)
def test_a_value_has_its_number_at_every_step(
    Layer: Any, value: str, number: float, options: dict[str, Any]
) -> None:
    layer, x = Layer(I, H, 2, bidirectional=True, **options), torch.randn(T, B, I)
    if options.get("layer_norm") and (Layer, value) == (LSTM, "hidden") and number:
        pytest.skip("the cell of its output is normalized; a test of its own says so")
    before = layer(x)[0]
    for name in ("layers.0.reverse", "layers.1"):
        with clamp(layer, {f"{name}.{value}": number}), torch.no_grad(), record(layer) as recording:
            clamped, _ = layer(x)
        values = recording.values()
        torch.testing.assert_close(values[f"{name}.{value}"], torch.full((T, B, H), number), **TIGHT)
        assert not torch.equal(clamped, before)
    assert torch.equal(layer(x)[0], before)


def test_one_unit_and_one_number_for_each() -> None:
    layer, x = LSTM(I, H), torch.randn(T, B, I)
    numbers = [0.0, 0.2, 0.4, 0.6, 1.0]
    with torch.no_grad():
        before = layer.trace(x).gates[0]
        with clamp(layer, {"layers.0.cell.3": 0.5}):
            one = layer.trace(x).gates[0]
        with clamp(layer, {"*.forget": numbers}):
            each = layer.trace(x).gates[0]
    torch.testing.assert_close(one.c[..., 3], torch.full((T, B), 0.5), **TIGHT)
    torch.testing.assert_close(one.c[0, :, :3], before.c[0, :, :3], **TIGHT)  # others are free
    torch.testing.assert_close(each.f, torch.tensor(numbers).expand(T, B, H), **TIGHT)


def test_a_projected_output_can_be_taken_away() -> None:
    layer = LSTM(I, H, proj_size=2, dtype=torch.float64)
    x = torch.randn(T, B, I, dtype=torch.float64)
    with clamp(layer, {"layers.0.hidden.1": 0.0}):
        output, _ = layer(x)
    assert bool((output[..., 1] == 0).all())
    assert bool((output[..., 0] != 0).all())


def test_a_relu_layer_takes_any_number_from_0_on() -> None:
    layer = RNN(I, H, nonlinearity="relu")
    with clamp(layer, {"layers.0.hidden": 3.0}):
        torch.testing.assert_close(layer(torch.randn(T, B, I))[0], torch.full((T, B, H), 3.0))
    with (
        pytest.raises(ConfigError, match="must be 0 or more"),
        clamp(layer, {"*.hidden": -1.0}),
    ):
        pass


@pytest.mark.parametrize(
    ("layer", "name", "value", "message"),
    [
        (LSTM(I, H), "forget", 1.5, "must be from 0 to 1. Got 1.5."),
        (LSTM(I, H), "forget", float("nan"), "must be from 0 to 1. Got nan."),
        (GRU(I, H), "candidate", -2, "must be from -1 to 1. Got -2."),
        (LSTM(I, H), "cell", 2, "must be from -1 to 1, which is what one step can write. Got 2."),
        (LSTM(I, H), "forget", [0, 1], "must be a number, or 5, one for each unit. Got (2,)."),
        (LSTM(I, H), "forget", "shut", "must be a number. Got 'shut'."),
        (
            *(LSTM(I, H, bias=False), "forget", 0),
            "needs a layer with biases, which are what it is set by. Got one without.",
        ),
        (LSTM(I, H, layer_norm=True), "hidden", 0.3, "must be 0, as its cell is normalized. Got 0.3."),
        (
            *(GRU(I, H, zoneout=0.1), "hidden", 0),
            "cannot be set in a layer with zoneout, which mixes it with its past.",
        ),
    ],
    ids=range(9),
)
def test_what_cannot_be_is_one_line(layer: Any, name: str, value: Any, message: str) -> None:
    before = {key: weight.clone() for key, weight in layer.state_dict().items()}
    with pytest.raises(ConfigError) as error, clamp(layer, {f"layers.0.{name}": value}):
        pass
    assert str(error.value) == f"clamp: layers.0.{name} {message}"
    assert all(torch.equal(before[key], weight) for key, weight in layer.state_dict().items())


def test_an_unknown_name_names_the_nearest() -> None:
    hint = r"Got layers\.0\.forget\. Did you mean `layers\.0\."
    with pytest.raises(ConfigError, match=hint), clamp(GRU(I, H), {"layers.0.forget": 0}):
        pass
