"""What beside a score tells variants apart: time and memory of a step, and the reach of a gradient."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seqloom.data.batching import Batching
from seqloom.inspection.comparison.variants import Variant
from seqloom.layers.recurrent import GRU, LSTM, RNN, Recurrent
from seqloom.runs.run_folder import build_model
from seqloom.training.job import Job

REACH = 0.01
"""Of the gradient at lag 0, below which it counts as gone"""
SECONDS, LEAST = 1.0, 5
"""Steps of each variant are timed for about so long, but so many of them at least"""


class StepCost(NamedTuple):
    """What a training step costs."""

    seconds: float
    """Median of forward and backward pass on one batch"""
    spread: tuple[float, float]
    """The least and the most"""
    saved_bytes: int
    """What the forward pass keeps for the backward pass, weights aside"""


def measure_steps(job: Job, variants: Sequence[Variant], seconds: float = SECONDS) -> dict[str, StepCost]:
    """Time the variants in turn on the same batch, so that whatever disturbs one disturbs all.

    Args:
        job: configuration and data.
        variants: what is compared.
        seconds: for each of them about.
    """
    steps: dict[str, Callable[[], None]] = {}
    memory: dict[str, int] = {}
    for variant in variants:
        steps[variant.name] = _training_step(job, variant)
        memory[variant.name] = saved_bytes(steps[variant.name])
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    started = time.monotonic()
    while len(times[variants[0].name]) < LEAST or time.monotonic() - started < seconds * len(variants):
        for name, step in steps.items():
            before = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - before)
    return {
        name: StepCost(statistics.median(values), (min(values), max(values)), memory[name])
        for name, values in times.items()
    }


def _training_step(job: Job, variant: Variant) -> Callable[[], None]:
    config = variant.config(job.config)
    torch.manual_seed(0)
    model = build_model(config, job.preparation).train()
    (batch,), context = first_batches(job), config.context(job.preparation)

    def step() -> None:
        model.zero_grad()
        config.task.loss(model, batch, None, context).nats.sum().backward()

    return step


def first_batches(job: Job, count: int = 1) -> list[Any]:
    """The first training batches, or fewer where there are fewer."""
    training = job.config.training
    batching = Batching(
        training.batch_size,
        training.window,
        training.seed,
        batch_units=training.batch_units,
        max_units=training.max_units,
    )
    return list(islice(job.preparation.source(job.data, "train", batching).batches(0), count))


def saved_bytes(step: Callable[[], None]) -> int:
    """Bytes that a forward pass keeps for its backward pass, each memory counted once, parameters not."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        whole = tensor if tensor._base is None else tensor._base
        if not isinstance(whole, nn.Parameter) and not tensor.is_sparse:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(storages.values())


def gradient_reach(model: nn.Module, run: Callable[[], object]) -> tuple[int, int] | None:
    """How many steps back the last output of the first recurrent layer still depends on its input.

    Args:
        model: in evaluation mode.
        run: runs it on a batch.

    Returns:
        The lag at which the norm of d h_T / d x_(T - lag), the mean over rows and of one direction, falls
        below 1 % of that at lag 0, and the longest lag there is: where both are the same, it never falls.
        None where the model has no recurrent layer, or only sequences of one step.
    """
    layer = next((part for part in model.modules() if isinstance(part, RNN | LSTM | GRU | Recurrent)), None)
    if layer is None:
        return None
    calls: list[tuple[Any, ...]] = []

    def keep(_module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        calls.append((arguments[0], named.get("lengths", arguments[2] if len(arguments) > 2 else None)))

    handle = layer.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        with torch.no_grad():
            run()
    finally:
        handle.remove()
    if not calls or not isinstance(calls[0][0], Tensor) or calls[0][0].dim() != 3:
        return None
    norms = _norms_by_lag(layer, *calls[0])
    if len(norms) < 2:
        return None
    below = (norms < REACH * norms[0]).nonzero()
    return (int(below[0]) if len(below) else len(norms) - 1), len(norms) - 1


def _norms_by_lag(layer: Any, input: Tensor, lengths: Any) -> Tensor:
    """The mean over rows of the norm of d (v . h_T) / d x at each lag, (lags,)."""
    x = input.detach().clone().requires_grad_()
    output, _ = layer(x, None, lengths)
    if layer.batch_first:
        output = output.transpose(0, 1)
    steps, rows = output.shape[:2]
    valid = torch.full((rows,), steps) if lengths is None else torch.as_tensor(lengths).cpu()
    last = (valid - 1).clamp(min=0)
    width = layer.proj_size or layer.hidden_size
    generator = torch.Generator("cpu").manual_seed(0)
    v = torch.randn(width, generator=generator, device="cpu")
    chosen = output[last, torch.arange(rows), :width]
    (gradient,) = torch.autograd.grad((chosen * v.to(chosen)).sum(), x)
    norms = (gradient.transpose(0, 1) if layer.batch_first else gradient).norm(dim=-1).cpu()
    sums, counts = torch.zeros(steps), torch.zeros(steps)
    for row, length in enumerate(valid.tolist()):
        sums[:length] += norms[:length, row].flip(0)
        counts[:length] += 1
    return sums[counts > 0] / counts[counts > 0]
