"""The optimizer, and the learning rate as a function of step and progress."""

from __future__ import annotations

import math

import torch
from torch import nn

from seqloom.runs.config import TrainingConfig


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW or SGD, with weight decay on matrices only: never on biases and gains."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def learning_rate(config: TrainingConfig, step: int, progress: float, scale: float = 1.0) -> float:
    """The learning rate of a step: warm-up times schedule.

    Args:
        config: the schedule.
        step: number of steps taken before it.
        progress: the share of the training that is done, 0 to 1.
        scale: what the plateau schedule has lowered the rate to, as a share of `config.learning_rate`.

    >>> config = TrainingConfig(learning_rate=1.0, warmup_steps=4)
    >>> [round(learning_rate(config, step, step / 100), 2) for step in (0, 3, 50, 100)]
    [0.25, 1.0, 0.5, 0.0]
    """
    # A training shorter than ten warm-ups is warm after its first tenth.
    warm = min(max((step + 1) / config.warmup_steps, 10 * progress), 1.0) if config.warmup_steps else 1.0
    if config.schedule == "cosine":
        scale = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    elif config.schedule == "linear":
        scale = 1 - min(progress, 1.0)
    return config.learning_rate * warm * scale
