"""No output of a one-way model depends on a later input: the rows are given one another's futures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqloom.inspection.checks.chunks import recurrent_layers
from seqloom.inspection.checks.finding import Finding, NotApplicableError, figure
from seqloom.inspection.checks.invariance import ALLOWED
from seqloom.inspection.checks.sampling.batches import (
    cut_steps,
    named_tensors,
    step_counts,
    swap_futures,
    tell_apart,
)
from seqloom.inspection.checks.sampling.subject import Subject

MIN_STEPS = 4
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Leak(NamedTuple):
    """A module whose output depends on a later input."""

    module: str
    step: int
    """The earliest that does"""
    size: float
    """Of the change, as a share of the outputs' size"""


def check_causality(subject: Subject) -> Finding:
    """Outputs of every module at earlier steps, with the later steps of another row."""
    if subject.is_random:
        raise NotApplicableError("the same batch does not give the same twice (see repeats)")
    sample = subject.windows or subject.sample
    if sample.size < 2:
        raise NotApplicableError("it takes two rows, which are given one another's futures")
    both = [name for name, layer in recurrent_layers(subject.model) if layer.bidirectional]
    modules, compared, two_way, looks_ahead = 0, 0, "", ""
    sequences = tell_apart(sample.batch)
    for count in step_counts(sequences):
        batch, steps = _with_other_steps(subject.model, sequences, sample.size, count)
        if steps < MIN_STEPS:
            continue
        step = steps // 2
        outputs, leaks = _compare(subject, batch, step, steps)
        names = {name for name, _ in outputs}
        if two_way_here := next((name for name in both if name in names), ""):
            two_way = two_way_here
            continue
        # What reads a stream writes each next step of it, which nothing may look ahead at.
        if leaks and not subject.windows and (ahead := _convolution(subject.model, leaks[0].module)):
            looks_ahead = f"{ahead} looks ahead by {step - leaks[0].step} steps, as convolutions do"
            continue
        modules, compared = modules + len(names), compared + step
        if leaks:
            leak = leaks[0]
            evidence = (
                f"{leak.module} at step {leak.step + 1} depends on step {step + 1} or a later one: its "
                f"output changes by {figure(leak.size)} of its size; allowed {ALLOWED:g}"
            )
            numbers = {"module": leak.module, "step": leak.step, "changed_from": step, "change": leak.size}
            return Finding(False, evidence, numbers)
    if not modules:
        if two_way:
            reason = f"{two_way} reads both ways"
        else:
            reason = looks_ahead or "no output of a module has a value for each step of its input"
        raise NotApplicableError(reason)
    evidence = f"outputs of {modules} modules at {compared} steps stay as they are with other later steps"
    return Finding(True, evidence, {"modules": modules, "steps": compared})


def _with_other_steps(model: nn.Module, batch: Any, size: int, steps: int) -> tuple[Any, int]:
    """A batch whose number of steps is no width of the model, so that steps are known by their number."""
    widths = {length for parameter in model.parameters() for length in parameter.shape} | {size}
    widths |= {width for tensor in dict(named_tensors(batch)).values() for width in tensor.shape[2:]}
    others = set(step_counts(batch)) - {steps}
    fewer = next((count for count in range(steps, 0, -1) if count not in widths | others), 0)
    return (batch if fewer == steps else cut_steps(batch, 0, fewer, steps)), fewer


def _compare(
    subject: Subject, batch: Any, step: int, steps: int
) -> tuple[dict[tuple[str, int], Tensor], list[Leak]]:
    """The outputs with a value for each step, before `step`; and those that another future changes, in the
    order in which they are computed."""
    before = _outputs(subject, batch, step, steps)
    after = _outputs(subject, swap_futures(batch, step, steps), step, steps)
    leaks = []
    for key, expected in before.items():
        if key not in after or after[key].shape != expected.shape:
            continue
        changes = (after[key] - expected).abs().nan_to_num(nan=torch.inf).flatten(1).amax(1)
        size = float(expected.abs().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).max())
        changed = torch.nonzero(changes > ALLOWED * max(size, 1e-6))
        if len(changed):
            leaks.append(Leak(key[0], int(changed[0]), float(changes.max()) / max(size, 1e-6)))
    return before, leaks


@torch.inference_mode()
def _outputs(subject: Subject, batch: Any, step: int, steps: int) -> dict[tuple[str, int], Tensor]:
    """What each module gives at the steps before `step` (step, …), by its name and the number of its call."""
    outputs: dict[tuple[str, int], Tensor] = {}
    calls: dict[str, int] = {}

    def recorder(name: str) -> Callable[..., None]:
        def record(_: Any, __: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) and len(output) else output
            if not isinstance(first, Tensor) or not first.is_floating_point():
                return
            axes = [axis for axis, size in enumerate(first.shape[:2]) if size == steps]
            if len(axes) == 1 and first.dim() > 1:
                number = calls[name] = calls.get(name, -1) + 1
                outputs[name, number] = first.movedim(axes[0], 0)[:step].clone()

        return record

    subject.model.eval()
    with _hooks(subject.model, recorder), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        subject.task.loss(subject.model, batch, None, subject.context)
    return outputs


@contextmanager
def _hooks(model: nn.Module, recorder: Callable[[str], Callable[..., None]]) -> Iterator[None]:
    handles = [
        module.register_forward_hook(recorder(name or "the model")) for name, module in model.named_modules()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _convolution(model: nn.Module, name: str) -> str:
    """The name of a module, if there is a convolution in it and no recurrent layer."""
    module = model if name == "the model" else model.get_submodule(name)
    has_convolution = any(isinstance(part, CONVOLUTIONS) for part in module.modules())
    return name if has_convolution and not recurrent_layers(module) else ""
