"""What a model expects after each step; and where it leaves what it was told once it runs by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy
import torch

from seqloom.tasks.tracing import Expecting

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor

NUM_LIKELY = 4
MAX_NAMES = 24
"""Outputs whose probabilities are drawn, those that are likely at any step"""
LEAST_SHARE = 0.05


class Running(NamedTuple):
    """What came, what the model expected when it was told what came, and what it wrote by itself.

    Fields:
        told: steps that it was told at first.
        came: after them.
        forced: the most likely name at each step, given what came before it.
        free: what it wrote by itself.
        forced_wrong: the first step at which `forced` is not what came; None where there is none.
        free_wrong: the first step at which `free` is not what came; None where there is none.
    """

    told: int
    came: list[str]
    forced: list[str]
    free: list[str]
    forced_wrong: int | None
    free_wrong: int | None


class Expected(NamedTuple):
    """What a model expects.

    Fields:
        steps: after which.
        likely: at each step the likeliest names with their probabilities.
        names: of the outputs that are likely at any step.
        probabilities: (T, names) of those.
        nats: of what came at each step; NaN where that is not known.
        running: told against by itself; None where the model cannot run by itself.
    """

    steps: list[str]
    likely: list[list[tuple[str, float]]]
    names: list[str]
    probabilities: numpy.ndarray
    nats: list[float]
    running: Running | None


@torch.inference_mode()
def read_expected(run: Predictor, value: Any, target: str | None = None) -> Expected | None:
    """What a model expects after each step of an input; None where its task cannot say.

    Args:
        run: a trained model.
        value: an input.
        target: what a decoder reads; None: what it writes itself.
    """
    task: object = run.config.task
    if not isinstance(task, Expecting):
        return None
    outputs = task.step_outputs(run.model, run.preparation.encode(value), run.context(), target)
    if outputs is None:
        return None
    shares = outputs.log_probabilities.exp()
    top = shares.topk(min(NUM_LIKELY, shares.shape[1]), dim=1)
    likely = [
        [(outputs.names[int(place)], float(share)) for place, share in zip(places, values, strict=True)]
        for places, values in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]
    ever = shares.max(0).values
    order = ever.argsort(descending=True)[:MAX_NAMES].tolist()
    shown = [place for place in order if ever[place] >= LEAST_SHARE]
    nats = [
        -float(outputs.log_probabilities[step, name]) if name >= 0 else float("nan")
        for step, name in enumerate(outputs.expected)
    ]
    running = None
    if outputs.free_from is not None:
        first = max(outputs.free_from - 1, 0)
        came = [outputs.names[name] for name in outputs.expected[first:] if name >= 0]
        forced = [row[0][0] for row in likely[first:]][: len(came)]
        free = [outputs.names[name] for name in outputs.free]
        running = compare_running(outputs.free_from, came, forced, free)
    names = [outputs.names[int(place)] for place in shown]
    return Expected(list(outputs.steps), likely, names, shares[:, shown].numpy(), nats, running)


def compare_running(told: int, came: Sequence[str], forced: Sequence[str], free: Sequence[str]) -> Running:
    """Where two ways of running first leave what came.

    >>> compare_running(1, list("abc"), list("abd"), list("xbc")).free_wrong
    0
    """

    def first_wrong(written: Sequence[str]) -> int | None:
        for step, name in enumerate(came):
            if step >= len(written) or written[step] != name:
                return step
        return None

    return Running(told, list(came), list(forced), list(free), first_wrong(forced), first_wrong(free))
