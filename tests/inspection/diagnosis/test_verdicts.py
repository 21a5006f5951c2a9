"""Planted faults are named, each by its own verdict; layers and histories without one are healthy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqloom.inspection.diagnosis import Circumstances, History, judge, measure_module, verdicts_of_history
from seqloom.inspection.diagnosis.history import Curve
from seqloom.inspection.diagnosis.horizon import Horizon
from seqloom.inspection.diagnosis.verdicts import NAMES
from seqloom.layers.recurrent import GRU, LSTM, RNN

T, B, I, H = 40, 8, 6, 24  # noqa: E741


def verdict_names(layer: Any, x: torch.Tensor | None = None) -> list[str]:
    x = torch.randn(T, B, I) if x is None else x
    places = measure_module(layer.eval(), [lambda: layer(x)[0].square().sum()])
    return [verdict.name for verdict in judge(places)]


def with_gate(layer: Any, gate: int, bias: float) -> Any:
    """A layer whose gate begins with a bias."""
    with torch.no_grad():
        layer.bias_ih_l0[gate * H : (gate + 1) * H] = bias
    return layer


def scaled(layer: Any, factor: float, name: str = "weight_hh_l0") -> Any:
    with torch.no_grad():
        getattr(layer, name).mul_(factor)
    return layer


def dead() -> Any:
    return scaled(scaled(RNN(I, H, nonlinearity="relu"), 0.0), 0.0, "weight_ih_l0")


def doubled(layer: Any) -> Any:
    """Every unit has the weights of the first."""
    with torch.no_grad():
        for parameter in layer.parameters():
            for block in parameter.split(H):
                block.copy_(block[:1].expand_as(block))
    return layer


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "forget bias -5": (lambda: LSTM(I, H, forget_gate_bias=-5.0), "saturated"),
    "input gate shut": (lambda: with_gate(LSTM(I, H), 0, -6.0), "saturated"),
    "output gate open": (lambda: with_gate(LSTM(I, H), 3, 6.0), "saturated"),
    "update gate open": (lambda: with_gate(GRU(I, H), 1, 8.0), "saturated"),
    "update gate shut": (lambda: with_gate(GRU(I, H), 1, -8.0), "saturated"),
    "gates that are switches": (
        lambda: scaled(scaled(LSTM(I, H), 60.0), 60.0, "weight_ih_l0"),
        "saturated",
    ),
    "gates that are switches, update and reset": (
        lambda: scaled(scaled(GRU(I, H), 60.0), 60.0, "weight_ih_l0"),
        "saturated",
    ),
    "tanh of large sums": (lambda: scaled(scaled(RNN(I, H), 20.0), 20.0, "weight_ih_l0"), "saturated"),
    "small radius": (lambda: scaled(RNN(I, H, orthogonal_init=True), 0.1), "vanishing"),
    "small radius, gated": (lambda: scaled(GRU(I, H), 0.1), "vanishing"),
    "relu of radius 1.4": (
        lambda: scaled(RNN(I, H, nonlinearity="relu", orthogonal_init=True), 2.0),
        "exploding",
    ),
    "dead layer": (dead, "dead"),
    "duplicate units": (lambda: doubled(RNN(I, H)), "dead"),
    "duplicate units, gated": (lambda: doubled(LSTM(I, H)), "dead"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_of_a_layer_is_named(name: str) -> None:
    build, verdict = FAULTS[name]
    assert verdict in verdict_names(build())


HEALTHY: dict[str, Callable[[], Any]] = {
    "lstm": lambda: LSTM(I, H, forget_gate_bias=4.0),
    "lstm both ways": lambda: LSTM(I, H, forget_gate_bias=4.0, bidirectional=True),
    "orthogonal rnn": lambda: RNN(I, H, orthogonal_init=True, bias=False),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_layer_that_remembers_is_healthy(name: str) -> None:
    assert verdict_names(HEALTHY[name](), 0.02 * torch.randn(T, B, I)) == ["healthy"]


@pytest.mark.parametrize("Layer", [LSTM, GRU])
def test_gates_that_chrono_init_opens_and_shuts_are_no_fault(Layer: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(200, B, I)
    layer = Layer(I, H, chrono_init=100_000).eval()
    places = measure_module(layer, [lambda: layer(x)[0].square().sum()])
    names = [verdict.name for verdict in judge(places, circumstances=Circumstances(chrono_init=100_000))]
    assert "saturated" not in names
    assert "saturated" in [verdict.name for verdict in judge(places)]


@pytest.mark.parametrize("Layer", [LSTM, GRU])
def test_a_gradient_that_vanishes_is_mended_by_open_gates(Layer: Any) -> None:
    layer = scaled(Layer(I, H), 0.1).eval()
    x = torch.randn(T, B, I)
    (verdict,) = judge(measure_module(layer, [lambda: layer(x)[0].square().sum()]))
    assert verdict.name == "vanishing"
    assert verdict.advice.startswith("Set model.chrono_init")


def curve(values: list[float]) -> Curve:
    return Curve(tuple(range(10, 10 * len(values) + 10, 10)), tuple(values))


LEARNED = [3.0, 1.5, 0.9, 0.7, 0.62, 0.6, 0.59, 0.585, 0.583, 0.582]
STEADY = curve([1.0] * 10)
WORTHLESS = ["not better than the baseline"]
HISTORIES: dict[str, tuple[History, Circumstances, list[str]]] = {
    "good": (History(curve(LEARNED), curve([v + 0.1 for v in LEARNED]), STEADY), Circumstances(True), []),
    "rising": (
        History(curve([3.0, 2.0, 1.5, 4.0, 8.0]), Curve(), STEADY),
        Circumstances(learning_rate=0.1),
        ["exploding"],
    ),
    "leaping, unclipped": (
        History(curve(LEARNED), curve(LEARNED), curve([1.0] * 8 + [900.0, 1.0])),
        Circumstances(True),
        ["exploding"],
    ),
    "leaping, clipped": (
        History(curve(LEARNED), curve(LEARNED), curve([1.0] * 8 + [900.0, 1.0])),
        Circumstances(True, gradient_clip=1.0),
        [],
    ),
    "unmoved": (History(curve([3.0, 2.99, 2.99, 2.98, 2.98])), Circumstances(), ["undertrained"]),
    "still falling": (History(curve([3.0, 2.6, 2.2, 1.8, 1.4])), Circumstances(), ["undertrained"]),
    "falling, no better, few records": (
        History(curve([3.0, 2.6])),
        Circumstances(False),
        [*WORTHLESS, "undertrained"],
    ),
    "falling, few records": (History(curve([3.0, 2.6])), Circumstances(True), []),
    "unmoved, one record": (History(curve([3.0])), Circumstances(False), WORTHLESS),
    "validation rises": (
        History(curve(LEARNED), curve([2.5, 1.4, 1.3, 1.5, 1.9])),
        Circumstances(True),
        ["overfit"],
    ),
    "validation never learned": (
        History(curve(LEARNED), curve([2.9, 2.8, 2.8, 2.85, 2.8])),
        Circumstances(False),
        ["not better than the baseline", "overfit"],
    ),
    "nothing recorded": (History(), Circumstances(), []),
    "one record": (History(curve([3.0])), Circumstances(), []),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_says_by_itself_what_went_wrong(name: str) -> None:
    history, circumstances, expected = HISTORIES[name]
    verdicts = verdicts_of_history(history, circumstances)
    assert [verdict.name for verdict in verdicts] == expected
    assert all(verdict.name in NAMES and verdict.evidence and verdict.advice for verdict in verdicts)


def test_a_rising_loss_asks_for_a_tenth_of_its_rate() -> None:
    history, circumstances, _ = HISTORIES["rising"]
    (verdict,) = verdicts_of_history(history, circumstances)
    assert verdict.evidence == "the training loss rose from 1.5 to 8 nats"
    assert verdict.advice == "Set training.learning_rate=0.01"


def test_a_layer_that_nothing_clipped_is_told_to_clip() -> None:
    layer = scaled(scaled(RNN(I, H), 20.0), 20.0, "weight_ih_l0")
    places = measure_module(layer.eval(), [lambda: layer(torch.randn(T, B, I))[0].square().sum()])
    for clip, advice in ((None, "Set training.gradient_clip=1, or"), (1.0, "Take a tenth")):
        circumstances = Circumstances(learning_rate=0.1, gradient_clip=clip)
        (saturated,) = (v for v in judge(places, circumstances=circumstances) if v.name == "saturated")
        assert saturated.advice.startswith(advice)


def test_a_loss_that_rose_is_not_said_to_fall() -> None:
    history = History(curve([0.8, 2.3, 6.5, 1.5, 1.2]))
    verdicts = verdicts_of_history(history, Circumstances(False))
    assert [verdict.name for verdict in verdicts] == ["exploding", *WORTHLESS]
    (verdict,) = verdicts_of_history(History(curve([1.0, 1.02, 1.01, 1.02, 1.01])))
    assert verdict.evidence == "the loss did not fall, from 1 to 1.01 nats"


def test_held_out_inputs_that_training_has_are_leaking() -> None:
    layer, x = RNN(I, H, orthogonal_init=True, bias=False).eval(), 0.02 * torch.randn(T, B, I)
    places = measure_module(layer, [lambda: layer(x)[0].square().sum()])
    names = [verdict.name for verdict in judge(places, circumstances=Circumstances(shared=0.5))]
    assert names == ["leaking"]
    assert [v.name for v in judge(places, circumstances=Circumstances(shared=0.1))] == ["healthy"]


def test_a_window_that_cuts_the_gradient_is_short_sighted() -> None:
    layer, x = RNN(I, H, orthogonal_init=True, bias=False).eval(), 0.02 * torch.randn(T, B, I)
    places = measure_module(layer, [lambda: layer(x)[0].square().sum()])
    cut = Circumstances(is_better=True, carries_state=True, window=10)
    (verdict,) = judge(places, circumstances=cut)
    assert verdict.name == "short-sighted"
    assert verdict.advice == "Set training.window=40"
    assert [v.name for v in judge(places, circumstances=cut._replace(carries_state=False))] == ["healthy"]


def test_a_window_that_cuts_what_memory_is_worth_is_short_sighted() -> None:
    """A model that has never seen further back has no gradient there."""
    horizon = Horizon((0, 1, 2), (1.53, 1.34, 1.22), 1.22, 2)
    cut = Circumstances(carries_state=True, window=4)
    (verdict,) = judge({}, None, horizon, cut)
    assert verdict.name == "short-sighted"
    assert verdict.advice == "Set training.window=16"
    assert "brings 39 % of all that memory does" in verdict.evidence
    assert [v.name for v in judge({}, None, horizon, cut._replace(carries_state=False))] == ["healthy"]
    learned = Horizon((0, 1, 2), (1.53, 1.24, 1.22), 1.22, 2)
    assert [v.name for v in judge({}, None, learned, cut)] == ["healthy"]
    assert [v.name for v in judge({}, None, horizon, cut._replace(window=64))] == ["healthy"]


@pytest.mark.parametrize("seed", range(4))
def test_a_window_as_long_as_the_batch_is_named_whatever_is_drawn(seed: int) -> None:
    """As windows of a text are: the greatest lags are those of the last step alone."""
    layer = RNN(I, H, orthogonal_init=True, bias=False).eval()
    batches = [0.02 * torch.randn(120, 4, I) for _ in range(3)]
    losses = [lambda x=x: layer(x)[0].square().sum() for x in batches]
    places = measure_module(layer, losses, seed=seed, max_lag=120)
    assert places["layers.0"].gradient.max_lag == 120
    circumstances = Circumstances(is_better=True, carries_state=True, window=120)
    assert [verdict.name for verdict in judge(places, circumstances=circumstances)] == ["short-sighted"]
