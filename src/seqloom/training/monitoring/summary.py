"""What a training says before its first step: data, model, kernels, run folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqloom.layers.recurrent import LAYER_CLASSES
from seqloom.training.job import Job
from seqloom.training.trainer import Trainer


def summary(job: Job, trainer: Trainer, folder: Path) -> Iterator[str]:
    """Lines for a person."""
    skipped = {"train": trainer.source.skipped, **trainer.validation.skipped()}
    for split, messages in skipped.items():
        if messages:
            yield f"{split}: {len(messages):,} rows skipped, the first: {messages[0]}"
    training, device = job.config.training, trainer.processes.device
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    yield f"data: {job.data_path} ({job.data.describe()}), {job.preparation.describe()}"
    yield f"model: {parameters:,} parameters on {device}, trained in {training.precision}"
    for line in kernels(trainer.model, training.window, training.batch_size, device):
        yield f"kernel: {line}"
    yield f"run folder: {folder}"


def kernels(model: nn.Module, steps: int, rows: int, device: torch.device) -> list[str]:
    """Which kernel runs the recurrent layers on inputs (steps, rows, features), and why; no line twice."""
    layers = [layer for layer in model.modules() if isinstance(layer, LAYER_CLASSES)]
    sizes: list[Any] = [layer.input_size for layer in layers]
    inputs = [torch.empty(steps, rows, size, device=device) for size in sizes]
    choices = [layer.choice(values) for layer, values in zip(layers, inputs, strict=True)]
    return list(dict.fromkeys(f"{choice.kernel}, {choice.reason}" for choice in choices))
