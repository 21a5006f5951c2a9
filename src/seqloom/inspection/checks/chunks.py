"""A sequence in chunks, each going on from the state after the one before it, gives what the whole gives."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqloom.inspection.checks.finding import Finding, NotApplicableError, figure
from seqloom.inspection.checks.invariance import Gap, judge, measure_gap
from seqloom.inspection.checks.sampling.batches import cut_steps, step_counts
from seqloom.inspection.checks.sampling.subject import Evaluate, Sample, Subject
from seqloom.state import map_state
from seqloom.tasks.base import Loss

LAYER_TOLERANCE = 1e-4
"""Of outputs of float32, which are near 1: rounding over a few hundred steps"""


class LayerCall(NamedTuple):
    """What a recurrent layer read."""

    name: str
    layer: Any
    input: Tensor
    state: Any


def recurrent_layers(model: nn.Module) -> list[tuple[str, Any]]:
    """The recurrent layers of a model, seqloom's and torch's, by name."""
    names = ("hidden_size", "bidirectional", "batch_first", "num_layers")
    return [
        (name or "the model", module)
        for name, module in model.named_modules()
        if all(hasattr(module, attribute) for attribute in names)
    ]


def check_chunks(subject: Subject) -> Finding:
    """Windows in two chunks; or, where rows are read whole, the input of each layer of one direction."""
    windows = subject.windows
    if windows is not None:
        return _check_windows(subject, windows)
    layers = recurrent_layers(subject.model)
    if not layers:
        raise NotApplicableError("it has no recurrent layer")
    both = [name for name, layer in layers if layer.bidirectional]
    if len(both) == len(layers):
        raise NotApplicableError(f"{both[0]} reads both ways, and takes whole sequences only")
    calls = _record_calls(subject, [pair for pair in layers if pair[0] not in both])
    if not calls:
        raise NotApplicableError("no layer of one direction reads more than one step at a time")
    gaps = {call.name: _layer_gap(call) for call in calls}
    worst = max(gaps, key=lambda name: gaps[name])
    evidence = (
        f"{len(gaps)} layers over 3 chunks instead of the whole: {figure(gaps[worst])} of an output of "
        f"{worst} at most; allowed {LAYER_TOLERANCE:g}"
    )
    numbers = {"largest_difference": gaps[worst], "allowed": LAYER_TOLERANCE, "layers": list(gaps)}
    return Finding(gaps[worst] <= LAYER_TOLERANCE, evidence, numbers)


def _check_windows(subject: Subject, windows: Sample) -> Finding:
    counts = step_counts(windows.batch)
    if len(counts) != 1 or counts[0] < 2:
        raise NotApplicableError("its windows cannot be cut")
    steps = counts[0]
    cuts = [0, steps // 4, steps // 2, steps]
    chunks = [cut_steps(windows.batch, *ends, steps) for ends in pairwise(cuts)]

    @torch.inference_mode()
    def compare(evaluate: Evaluate) -> Gap:
        del evaluate  # a loss goes on from a state, which an evaluation need not
        model, loss_of = subject.model.eval(), subject.task.loss
        whole, state = loss_of(model, windows.batch, None, subject.context), None
        nats, units = torch.zeros_like(whole.nats), torch.zeros_like(whole.units)
        for chunk in chunks:
            part = loss_of(model, chunk, state, subject.context)
            nats, units, state = nats + part.nats, units + part.units, part.state
        return measure_gap(whole, Loss(nats, units))

    what = f"{windows.size} windows of {steps} steps, whole and in chunks of {_sizes(cuts)}"
    return judge(subject, compare, what)


def _sizes(cuts: list[int]) -> str:
    first, second, third = (stop - start for start, stop in pairwise(cuts))
    return f"{first}, {second} and {third}"


def _record_calls(subject: Subject, layers: list[tuple[str, Any]]) -> list[LayerCall]:
    """The first call of each layer that has more than three steps."""
    calls: dict[str, LayerCall] = {}

    def recorder(name: str, layer: Any) -> Callable[..., None]:
        def record(_: Any, arguments: tuple[Any, ...], options: dict[str, Any], __: Any) -> None:
            values, state = arguments[0], (arguments[1] if len(arguments) > 1 else options.get("hx"))
            is_sequence = isinstance(values, Tensor) and values.dim() == 3
            if name not in calls and is_sequence and values.shape[int(layer.batch_first)] > 3:
                calls[name] = LayerCall(name, layer, values, state)

        return record

    handles = [layer.register_forward_hook(recorder(name, layer), with_kwargs=True) for name, layer in layers]
    try:
        subject.evaluate(subject.sample.batch)
    finally:
        for handle in handles:
            handle.remove()
    return list(calls.values())


@torch.inference_mode()
def _layer_gap(call: LayerCall) -> float:
    """The largest difference of outputs and of the last state."""
    axis = int(call.layer.batch_first)
    whole, last = call.layer(call.input, call.state)
    outputs, state = [], call.state
    for chunk in call.input.tensor_split(3, dim=axis):
        output, state = call.layer(chunk, state)
        outputs.append(output)
    gaps = [float((torch.cat(outputs, dim=axis) - whole).abs().max())]
    pairs = zip(_tensors(state), _tensors(last), strict=True)
    return max(gaps + [float((after - before).abs().max()) for after, before in pairs])


def _tensors(state: Any) -> list[Tensor]:
    tensors: list[Tensor] = []
    map_state(lambda tensor: tensors.append(tensor) or tensor, state)
    return tensors
