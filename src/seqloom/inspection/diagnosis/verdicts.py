"""What is wrong, by name: each verdict with its evidence, and the one change to try first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from seqloom.inspection.diagnosis.history import History
from seqloom.inspection.diagnosis.horizon import Horizon
from seqloom.inspection.diagnosis.place import PlaceDiagnosis

NAMES = (
    "healthy",
    "exploding",
    "vanishing",
    "saturated",
    "dead",
    "short-sighted",
    "undertrained",
    "overfit",
    "not better than the baseline",
    "leaking",
)

FAILURES = ("not better than the baseline", "undertrained", "exploding")
"""Verdicts of a history beside which a gradient that vanishes is a reason"""
MIN_LAGS = 8
"""Lags below which nothing is said about a decay"""
GROWTH = 10.0
"""Of a gradient with the lag, above which it explodes"""
ALWAYS_VANISHED = 2
"""A gradient that is gone after so many steps is named even where the model is good"""
NEAR = 0.25
"""Of the lags that there are: what is gone before that is gone early"""
SATURATED = 0.95
"""Of steps and units"""
BINARY = 0.9
"""Of steps and units at which a gate is either open or shut, of all gates of a layer"""
STUCK = 0.5
"""Of steps and units of a tanh layer"""
DEAD = 0.5
"""Of units"""
CUT = 0.25
"""Of a gradient that is left where the window ends: the window cuts it"""
STILL_WORTH = 0.1
"""Of what memory gains: what the last steps before the end of a window add is no end of it"""
EARLY = 0.8
"""Of the steps; the rest is the end of a training"""
STILL_FALLING = 0.1
"""Of the whole drop of the loss, at the end of a training"""
RISE = 0.15
"""Of the drop in training, by which validation rises"""
GAP = 0.5
"""Of the drop in training that validation does not have"""
LEARNED = 0.05
"""Of the first loss: a training that lowers it by less has not begun to learn"""
WORSE = 0.1
"""Of the first loss: a rise that is no noise"""
LEAP = 30.0
"""Of a norm over the median"""
LEAKED = 0.2
"""Of held-out inputs"""


class Verdict(NamedTuple):
    """A finding.

    Fields:
        name: one of `NAMES`.
        evidence: the numbers that say so, in a sentence.
        advice: the one change to try first.
    """

    name: str
    evidence: str
    advice: str


class Circumstances(NamedTuple):
    """What a verdict needs to know of a run beside its numbers.

    Fields:
        is_better: whether its report says that it is better than the baseline; None: it is not known.
        carries_state: whether long sequences are cut into windows.
        window: steps of a window.
        learning_rate: of the training.
        gradient_clip: its limit; None: none.
        shared: the share of test inputs that training has too; None: it is not known.
        chrono_init: the setting by which gates begin open, or shut; None: they begin in between.
    """

    is_better: bool | None = None
    carries_state: bool = False
    window: int = 0
    learning_rate: float = math.nan
    gradient_clip: float | None = None
    shared: float | None = None
    chrono_init: int | None = None


UNKNOWN = Circumstances()
OPEN_GATES = "Set model.chrono_init to the steps that memory must reach, so that gates begin open"
KEEPS_HIGH, KEEPS_LOW = ("forget", "update"), ("input",)
"""Gates that `chrono_init` opens, and shuts"""
CLIP = "Set training.gradient_clip=1"
REGULARIZE = "Add data, or set model.dropout higher"


def judge(
    places: Mapping[str, PlaceDiagnosis],
    history: History | None = None,
    horizon: Horizon | None = None,
    circumstances: Circumstances = UNKNOWN,
) -> list[Verdict]:
    """All that is wrong, or that nothing is.

    Args:
        places: what was measured of each direction of each layer.
        history: of the training; None: there is none, and a decay alone decides.
        horizon: what memory is worth.
        circumstances: of the run.
    """
    of_history = [] if history is None else verdicts_of_history(history, circumstances)
    has_failed = history is None or any(verdict.name in FAILURES for verdict in of_history)
    verdicts = [
        *_exploding(places, of_history, circumstances),
        *_vanishing(places, has_failed, horizon),
        *_saturated(places, circumstances),
        *_dead(places, circumstances),
        *_short_sighted(places, horizon, circumstances),
        *(verdict for verdict in of_history if verdict.name != "exploding"),
        *_leaking(circumstances),
    ]
    return verdicts or [_healthy(places, horizon)]


def verdicts_of_history(history: History, circumstances: Circumstances = UNKNOWN) -> list[Verdict]:
    """What the records of a training and its report say by themselves; empty where that is nothing bad."""
    verdicts = _broken(history, circumstances)
    if circumstances.is_better is False:
        evidence = "its report on held-out data is not better than the baseline's by more than chance"
        advice = "Look at the labels and at how the data is split, then train longer"
        verdicts.append(Verdict("not better than the baseline", evidence, advice))
    if any(verdict.name == "exploding" for verdict in verdicts):
        return verdicts
    return [*verdicts, *(_overfit(history) or _undertrained(history, circumstances))]


def _broken(history: History, circumstances: Circumstances) -> list[Verdict]:
    """A loss that rises, or a gradient that leaps where nothing clips it."""
    train, norms, rate = history.train.values, history.norms.values, circumstances.learning_rate
    slower = (
        f"Set training.learning_rate={rate / 10:g}" if rate == rate else "Take a tenth of the learning rate"
    )
    if len(train) > 2:
        least, noise = min(train), WORSE * abs(train[0])
        if train[-1] - least > max(noise, 0.5 * (train[0] - least)):
            evidence = f"the training loss rose from {least:.3g} to {train[-1]:.3g} nats"
            return [Verdict("exploding", evidence, slower)]
    late = norms[len(norms) // 2 :]
    if len(norms) >= 4 and circumstances.gradient_clip is None and max(late) > LEAP * median(norms):
        evidence = (
            f"the gradient's norm leaps to {max(late):.3g} from a median of {median(norms):.3g}, unclipped"
        )
        return [Verdict("exploding", evidence, CLIP)]
    return []


def _overfit(history: History) -> list[Verdict]:
    """Validation that rises while training falls, or that never took part in it."""
    train, validation = history.train.values, history.validation.values
    if len(train) < 2 or not validation:
        return []
    first, last, best, end = train[0], train[-1], min(validation), validation[-1]
    learned = first - last
    if learned <= LEARNED * abs(first):
        return []
    if len(validation) >= 3 and end - best > RISE * learned and last < best:
        evidence = f"validation rose from {best:.3g} to {end:.3g} nats while training fell to {last:.3g}"
        return [Verdict("overfit", evidence, REGULARIZE)]
    if best - last > GAP * learned:
        evidence = f"training fell from {first:.3g} to {last:.3g} nats, validation only to {best:.3g}"
        return [Verdict("overfit", evidence, REGULARIZE)]
    return []


def _undertrained(history: History, circumstances: Circumstances) -> list[Verdict]:
    """By the validation losses, or, where there are few, by those of training.

    Two to four losses say enough of a model that is not better than the baseline, and nothing of others.
    """
    curve = history.validation if len(history.validation.values) >= 5 else history.train
    enough = 2 if circumstances.is_better is False else 5
    if len(curve.values) < enough or not history.train.values:
        return []
    start, end = max(history.train.values[0], curve.values[0]), curve.steps[-1]
    smooth = _smooth(curve.values) if len(curve.values) >= 5 else curve.values
    least = min(smooth)
    pairs = zip(curve.steps, smooth, strict=True)
    before = min((value for step, value in pairs if step <= EARLY * end), default=start)
    whole, late = start - least, before - least
    if whole < LEARNED * abs(start):
        fell = f"fell by {100 * whole / abs(start):.1f} % only" if whole > 0 else "did not fall"
        evidence = f"the loss {fell}, from {start:.3g} to {least:.3g} nats"
        advice = "Set a higher training.learning_rate, then train longer"
        return [Verdict("undertrained", evidence, advice)]
    if late > STILL_FALLING * whole:
        evidence = (
            f"the last fifth of the steps still took {100 * late / whole:.0f} % of all that the loss fell"
        )
        return [Verdict("undertrained", evidence, f"Train longer: training.max_steps={2 * end}")]
    return []


def _exploding(
    places: Mapping[str, PlaceDiagnosis], of_history: list[Verdict], circumstances: Circumstances
) -> list[Verdict]:
    for name, place in places.items():
        lags = place.gradient
        if lags is None or lags.max_lag < MIN_LAGS:
            continue
        advice = CLIP if circumstances.gradient_clip is None else "Take a tenth of training.learning_rate"
        most = float(lags.share.max())
        if not most <= GROWTH:  # NaN is not
            size = f"{most:.3g} times as large" if math.isfinite(most) else "no finite number"
            evidence = f"{name}: {int(lags.share.argmax())} steps back the gradient is {size}"
            return [Verdict("exploding", evidence, advice)]
        # The state of a gated cell has parts of other sizes, whose Jacobians have large singular values.
        if place.cell == "rnn" and place.product is not None and place.product > GROWTH:
            evidence = f"{name}: the product of {place.product_steps} step Jacobians is {place.product:.3g}"
            return [Verdict("exploding", evidence, advice)]
    return [verdict for verdict in of_history if verdict.name == "exploding"]


def _vanishing(
    places: Mapping[str, PlaceDiagnosis], has_failed: bool, horizon: Horizon | None
) -> list[Verdict]:
    """Of the place that is worst; where a model has learned, only what is gone at once.

    A gradient that reaches much further than the memory that the model uses is not what is in its way.
    """
    worst: tuple[int, str] | None = None
    for name, place in places.items():
        lags = place.gradient
        if lags is None or lags.max_lag < MIN_LAGS or lags.gone_after is None:
            continue
        limit = ALWAYS_VANISHED
        if has_failed and horizon is None:
            limit = lags.max_lag
        elif has_failed and horizon is not None and 2 * (horizon.steps or lags.max_lag) >= lags.gone_after:
            limit = max(limit, int(NEAR * lags.max_lag))
        if lags.gone_after <= limit and (worst is None or lags.gone_after < worst[0]):
            worst = (lags.gone_after, name)
    if worst is None:
        return []
    gone, name = worst
    place = places[name]
    lags = place.gradient
    assert lags is not None
    evidence = f"{name}: after {gone} steps less than 1 % of the gradient is left, {lags.decay:.2g} a step"
    if place.product is not None:
        evidence += f"; the product of {place.product_steps} step Jacobians is {place.product:.2g}"
    other = {"lstm": OPEN_GATES, "gru": OPEN_GATES, "rnn": "Set model.cell_type=lstm"}
    advice = other.get(place.cell, "Set model.layer_norm=true")
    return [Verdict("vanishing", evidence, advice)]


def _saturated(places: Mapping[str, PlaceDiagnosis], circumstances: Circumstances) -> list[Verdict]:
    slower = "Take a tenth of training.learning_rate"
    if circumstances is not UNKNOWN and circumstances.gradient_clip is None:
        slower = f"{CLIP}, or take a tenth of training.learning_rate"
    for name, place in places.items():
        binary = min((float((gate.low + gate.high).mean()) for gate in place.gates), default=0.0)
        if len(place.gates) > 1 and binary > BINARY:
            evidence = (
                f"{name}: every gate is below 0.1 or above 0.9 at {100 * binary:.0f} % of steps and units"
            )
            return [Verdict("saturated", evidence, slower)]
        for gate in place.gates:
            low, high = float(gate.low.mean()), float(gate.high.mean())
            keeps_all = gate.name == "forget" and high > low  # which is how a cell remembers
            if circumstances.chrono_init is not None:
                keeps_all = gate.name in KEEPS_HIGH if high > low else gate.name in KEEPS_LOW
            if not max(low, high) > SATURATED or keeps_all:  # numbers of no steps are none
                continue
            side, share = ("below 0.1", low) if low > high else ("above 0.9", high)
            evidence = (
                f"{name}.{gate.name} is {side} at {100 * share:.0f} % of steps and units, "
                f"{gate.means.mean():.2g} in the mean"
            )
            is_shut = gate.name == "forget" and low > high
            advice = OPEN_GATES if is_shut else "Start its bias at 0, with a lower training.learning_rate"
            return [Verdict("saturated", evidence, advice)]
        if place.units.stuck > STUCK:
            share = 100 * place.units.stuck
            evidence = f"{name}: |h| is above 0.97 at {share:.0f} % of steps and units, where tanh is flat"
            return [Verdict("saturated", evidence, slower)]
    return []


def _dead(places: Mapping[str, PlaceDiagnosis], circumstances: Circumstances) -> list[Verdict]:
    for name, place in places.items():
        units = place.units
        dead, copies = len(units.dead), len(units.duplicates)
        if dead + copies > DEAD * units.size:
            evidence = f"{name}: of {units.size} units {dead} never move, {copies} repeat another"
            advice = "Train from new weights: another training.seed, a lower training.learning_rate"
            if circumstances.chrono_init is not None:
                advice = "Set model.chrono_init no higher than the length of the sequences"
            return [Verdict("dead", evidence, advice)]
    return []


def _short_sighted(
    places: Mapping[str, PlaceDiagnosis], horizon: Horizon | None, circumstances: Circumstances
) -> list[Verdict]:
    """A window that ends where the gradient, or what memory is worth, has not."""
    window = circumstances.window
    if not circumstances.carries_state:
        return []
    advice = f"Set training.window={4 * window}"
    for name, place in places.items():
        lags = place.gradient
        if lags is not None and lags.max_lag >= window and float(lags.share[window - 1]) > CUT:
            left = 100 * float(lags.share[window - 1])
            evidence = f"{name}: the window of {window} steps ends while {left:.0f} % of the gradient is left"
            return [Verdict("short-sighted", evidence, advice)]
    if horizon is not None and len(horizon.reaches) > 1 and 2 * horizon.reaches[-1] >= window:
        added = horizon.shares[-1] - horizon.shares[-2]
        if added > STILL_WORTH:
            evidence = (
                f"the window ends after {window} steps, and its half that is further back brings "
                f"{100 * added:.0f} % of all that memory does"
            )
            return [Verdict("short-sighted", evidence, advice)]
    return []


def _leaking(circumstances: Circumstances) -> list[Verdict]:
    shared = circumstances.shared
    if shared is None or shared <= LEAKED:
        return []
    evidence = f"{100 * shared:.0f} % of the held-out inputs are in the training split too"
    return [Verdict("leaking", evidence, "Take them out of one of the two, and evaluate again")]


def _healthy(places: Mapping[str, PlaceDiagnosis], horizon: Horizon | None) -> Verdict:
    parts = []
    measured = [(name, place.gradient) for name, place in places.items() if place.gradient is not None]
    if measured:
        name, lags = max(measured, key=lambda pair: pair[1].gone_after or math.inf)
        reach = f"after {lags.gone_after} steps" if lags.gone_after else f"in none of {lags.max_lag} steps"
        parts.append(f"{name}: the gradient falls below 1 % {reach}")
    if horizon is not None and horizon.steps is not None:
        parts.append(f"a memory of {horizon.steps} steps explains 95 % of what memory explains")
    return Verdict("healthy", "; ".join(parts) or "nothing stands out", "Nothing needs to change")


def _smooth(values: Sequence[float]) -> list[float]:
    """The median of each value and its two neighbors: one batch that is lucky is no progress."""
    return [median(values[max(place - 1, 0) : place + 2]) for place in range(len(values))]
