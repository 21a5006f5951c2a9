"""What a training says before its first step: data, model, kernels, run folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqloom.data.tables.skipped import count_skipped
from seqloom.layers.recurrent import LAYER_CLASSES
from seqloom.training.job import Job
from seqloom.training.state import TrainingState
from seqloom.training.trainer import Trainer


def summary(job: Job, trainer: Trainer, folder: Path) -> Iterator[str]:
    """Lines for a person."""
    skipped = {"train": trainer.source.skipped, **trainer.validation.skipped()}
    splits: dict[str, list[str]] = {}
    for split, messages in skipped.items():
        if messages:  # splits of the same series have the same ones
            splits.setdefault(f"{count_skipped(messages)}, the first: {messages[0]}", []).append(split)
    for line, names in splits.items():
        yield f"{', '.join(names)}: {line}"
    training, device = job.config.training, trainer.processes.device
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    yield f"data: {job.data_path} ({job.data.describe()}), {job.preparation.describe()}"
    yield f"model: {parameters:,} parameters on {device}, trained in {training.precision}"
    for line in kernels(trainer.model, training.window, training.batch_size, device):
        yield f"kernel: {line}"
    yield f"run folder: {folder}"


def describe_best(state: TrainingState) -> str:
    """Which weights were saved, and what picked them.

    >>> describe_best(TrainingState(best_step=500, best_metric="accuracy", best_value=0.85))
    'best was step 500, by the accuracy of validation (0.8500)'
    """
    value = "" if state.best_value is None else f" ({state.best_value:.4f})"
    return f"best was step {state.best_step:,}, by the {state.best_metric} of validation{value}"


def kernels(model: nn.Module, steps: int, rows: int, device: torch.device) -> list[str]:
    """Which kernel runs the recurrent layers on inputs (steps, rows, features), and why; no line twice."""
    layers = [layer for layer in model.modules() if isinstance(layer, LAYER_CLASSES)]
    sizes: list[Any] = [layer.input_size for layer in layers]
    inputs = [torch.empty(steps, rows, size, device=device) for size in sizes]
    choices = [layer.choice(values) for layer, values in zip(layers, inputs, strict=True)]
    return list(dict.fromkeys(f"{choice.kernel}, {choice.reason}" for choice in choices))
