"""The optimizer, and the learning rate as a function of step and progress."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import nn

from seqloom.runs.config import TrainingConfig

RATE_RATIO = "rate_ratio"
"""The key of a parameter group whose learning rate is a multiple of `training.learning_rate`"""


@final
class Optimizers:
    """Several optimizers as one, with the part of torch's interface that a training needs.

    Args:
        parts: each with parameters of its own.
    """

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self._parts = parts

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of all parts."""
        return [group for part in self._parts for group in part.param_groups]

    def step(self) -> None:
        """Change the parameters by their gradients."""
        with torch.sparse.check_sparse_tensor_invariants(False):  # said, or torch warns of its own default
            for part in self._parts:
                part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self._parts:
            part.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """The state of every parameter, by its number among those of all parts."""
        state: dict[int, Any] = {}
        for part, first in self._numbered():
            state |= {first + number: values for number, values in part.state_dict()["state"].items()}
        return {"state": state}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for part, first in self._numbered():
            own = part.state_dict()
            numbers = [number for group in own["param_groups"] for number in group["params"]]
            state = {n: saved["state"][first + n] for n in numbers if first + n in saved["state"]}
            part.load_state_dict({**own, "state": state})

    def _numbered(self) -> list[tuple[torch.optim.Optimizer, int]]:
        sizes = [sum(len(group["params"]) for group in part.param_groups) for part in self._parts]
        return [(part, sum(sizes[:number])) for number, part in enumerate(self._parts)]


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer | Optimizers:
    """AdamW or SGD, with weight decay on matrices only: never on biases and gains.

    Tables with sparse gradients have Adagrad beside it (Duchi, Hazan and Singer 2011), which gives rows that
    are seldom used larger steps, and touches only those that a batch used.
    """
    tables = [module.weight for module in model.modules() if getattr(module, "sparse", False)]
    dense = _dense_optimizer(model, config, {id(table) for table in tables})
    if not tables:
        return dense
    ratio = config.sparse_learning_rate / config.learning_rate
    return Optimizers(
        [dense, torch.optim.Adagrad([{"params": tables, RATE_RATIO: ratio}], lr=config.sparse_learning_rate)]
    )


def _dense_optimizer(model: nn.Module, config: TrainingConfig, tables: set[int]) -> torch.optim.Optimizer:
    parameters = [p for p in model.parameters() if p.requires_grad and id(p) not in tables]
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
