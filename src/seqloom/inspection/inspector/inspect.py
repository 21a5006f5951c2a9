"""Look at what a trained model does with one input: `inspect(run, value)`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy
import torch

from seqloom.errors import ConfigError, RunError
from seqloom.inference.attention_page import AttentionPicture
from seqloom.inspection.inspector.connectivity import choose_call, measure_connectivity, record_stacks
from seqloom.inspection.inspector.difference import Difference, compare_traces
from seqloom.inspection.inspector.expecting import Expected, read_expected
from seqloom.inspection.inspector.properties import Property, find_properties, matching
from seqloom.inspection.inspector.units import Match, UnitScore, best_units, match_units, select_units
from seqloom.layers.tracing import match_names
from seqloom.tasks.base import Output
from seqloom.tasks.captioning import Captioning

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor
    from seqloom.inference.tracing import Trace

MAX_CONNECTED = 240
"""Steps of which it is measured what they depend on"""
WATCHED = ("hidden", "cell")
"""Values whose units are asked what they follow"""


class Selection(NamedTuple):
    """Steps that were chosen, the units that are on there, and where else they are on."""

    start: int
    end: int
    name: str
    units: list[int]
    matches: list[Match]


class Inspection(NamedTuple):
    """What a model does with one input.

    Fields:
        run: the run folder.
        task: its name.
        value: the input, as text.
        answer: the model's answer.
        trace: every value by name.
        steps: that are looked at: the input's, or those that a decoder wrote where no layer reads the input.
        connectivity: (T, T), the norm of d output / d input, of the first steps; None where no stack reads
            the input whole.
        connected_stack: which stack that is of.
        units: that follow a property best.
        expected: what is likely after each step; None where the task cannot say.
        selection: of steps, if any were chosen.
        other: how another input differs, if there was one.
        unit: the value and the unit that were asked for.
        looks: at what in a picture each word of its caption looked; None where there is no picture.
    """

    run: str
    task: str
    value: str
    answer: Output
    trace: Trace
    steps: list[str]
    connectivity: numpy.ndarray | None
    connected_stack: str
    units: list[UnitScore]
    expected: Expected | None
    selection: Selection | None = None
    other: Difference | None = None
    unit: tuple[str, int] | None = None
    looks: AttentionPicture | None = None


def inspect(
    run: Predictor,
    value: Any,
    *,
    target: str | None = None,
    other: Any = None,
    unit: str | None = None,
    property: str | None = None,
    select: tuple[int, int] | None = None,
) -> Inspection:
    """Look at what a trained model does with one input.

    Args:
        run: a trained model.
        value: an input, as for `predict`.
        target: what a decoder reads; None: what it writes itself.
        other: another input, to see what changes.
        unit: a unit to look at, such as `layers.0.cell.12`; None: the one that follows a property best.
        property: a regular expression; units are sought that follow what it matches; None: any property.
        select: steps, the first and the one after the last: which units are on there, and where else?

    Raises:
        DataError: an input cannot be used.
        ConfigError: a unit that does not exist, of which the nearest is named; steps that do not exist.
        RunError: the model has no recurrent layers.

    >>> import seqloom
    >>> seqloom.inspect(seqloom.load("runs/book"), 'he said "no"').units[0]    # doctest: +SKIP
    UnitScore(property='inside quotes', name='layers.0.cell', unit=17, score=0.93, ...)
    """
    with record_stacks(run.model) as calls:
        trace = run.trace(value, target=target)
    chosen_unit = None if unit is None else _resolve(trace, unit)
    steps = trace.steps if _watched(trace, trace.steps) else trace.written
    arrays = _watched(trace, steps)
    if not arrays:
        raise _refusal(run, trace)
    call = choose_call(calls, len(steps))
    norms = None
    if call is not None:
        state = call.state
        norms = measure_connectivity(call.stack, call.x[:MAX_CONNECTED], state).numpy()
    (answer,) = _answer(run, value)
    properties = _properties(steps, answer, property)
    units = best_units(arrays, properties)
    if chosen_unit is None and units:
        chosen_unit = (units[0].name, units[0].unit)
    name = chosen_unit[0] if chosen_unit and chosen_unit[0] in arrays else next(iter(arrays))
    selection = None if select is None else _select(arrays[name], name, select)
    difference = None
    if other is not None:
        (other_answer,) = _answer(run, other)
        difference = compare_traces(trace, run.trace(other, target=target), f"{other}", other_answer)
    return Inspection(
        run=str(run.folder),
        task=run.config.task.name,
        value=f"{value}",
        answer=answer,
        trace=trace,
        steps=list(steps),
        connectivity=norms,
        connected_stack="" if call is None else call.name,
        units=units,
        expected=read_expected(run, value, target),
        selection=selection,
        other=difference,
        unit=chosen_unit,
        looks=_looks(run, value),
    )


def _refusal(run: Predictor, trace: Trace) -> RunError:
    """Why no value of a trace has a row of units for each step."""
    expected = "expected a model whose layers read the input step by step"
    shapes = [values.shape for values in trace.values()]
    rows = [shape[1] for shape in shapes if len(shape) == 3 and shape[0] == len(trace.steps)]
    if not rows:
        return RunError(run.folder, expected, got="none")
    hint = "Trace it in Python: seqloom.load(run).trace(input) has its values, (steps, rows, units)"
    return RunError(run.folder, f"{expected}, as one row", got=f"{rows[0]} rows at once", hint=hint)


def _looks(run: Predictor, value: Any) -> AttentionPicture | None:
    """What each word of a caption looked at."""
    task: object = run.config.task
    if not isinstance(task, Captioning) or getattr(run.config.model, "attention", "none") == "none":
        return None
    (output,) = run.predict([value], attention=True)
    details, path = output.details, Path(value)
    words, weights, places = details["tokens"][:-1], details["attention"], tuple(details["places"])
    return AttentionPicture(path.name, task.view(run.preparation, path), output.text, words, weights, places)


@torch.inference_mode()
def _answer(run: Predictor, value: Any) -> list[Output]:
    fields = type(run.config.decoding).model_fields
    short: dict[str, Any] = {"max_new_tokens": 60} if "max_new_tokens" in fields else {}
    return run.predict([value], **short)


def _watched(trace: Trace, steps: Sequence[str]) -> dict[str, numpy.ndarray]:
    """Hidden states and cells (T, H) of layers that take these steps."""
    return {
        name: values.numpy()
        for name, values in trace.items()
        if name.rpartition(".")[2] in WATCHED and values.dim() == 2 and len(values) == len(steps)
    }


def _resolve(trace: Trace, unit: str) -> tuple[str, int]:
    sizes = {name: values.shape[-1] for name, values in trace.items() if name != "attention"}
    name, number = match_names("--unit", unit, sizes)[0]
    if number is None:
        hint = f"Add the number of a unit: `{name}.0`"
        raise ConfigError("--unit", "expected a value and the number of a unit", got=unit, hint=hint)
    return name, number


def _properties(steps: Sequence[str], answer: Output, pattern: str | None) -> list[Property]:
    if pattern is not None:
        return [matching(steps, pattern)]
    labels = answer.details.get("tags", ())
    return find_properties(steps, labels if len(labels) == len(steps) else ())


def _select(values: numpy.ndarray, name: str, select: tuple[int, int]) -> Selection:
    start, end = select
    if not 0 <= start < end <= len(values):
        got, expected = f"{start}:{end}", f"expected steps from 0 to {len(values)}, as in 0:{len(values)}"
        raise ConfigError("--select", expected, got=got)
    units = select_units(values, start, end)
    return Selection(start, end, name, units, match_units(values, units, start, end))
