"""Learning rates, and which parameters decay."""

from __future__ import annotations

import pytest
import torch

from seqloom.runs.config import TrainingConfig
from seqloom.training.optimizer import build_optimizer, learning_rate


def test_warm_up_is_linear_and_at_most_a_tenth_of_the_training() -> None:
    config = TrainingConfig(learning_rate=1.0, warmup_steps=10, schedule="constant")
    assert [learning_rate(config, step, 0.0) for step in (0, 4, 9, 100)] == [0.1, 0.5, 1.0, 1.0]
    assert learning_rate(config, 1, progress=0.1) == 1.0


def test_cosine_falls_to_zero_at_the_limit() -> None:
    config = TrainingConfig(learning_rate=2.0, warmup_steps=0)
    rates = [learning_rate(config, 1, progress) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert rates == pytest.approx([2.0, 1.7071067811865475, 1.0, 0.0], abs=1e-12)


def test_plateau_scales_the_rate() -> None:
    config = TrainingConfig(learning_rate=20.0, warmup_steps=0, schedule="plateau")
    assert learning_rate(config, 5, 0.5, scale=0.25) == 5.0


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_only_matrices_decay(name: str) -> None:
    model = torch.nn.LSTM(3, 4)
    optimizer = build_optimizer(model, TrainingConfig(optimizer=name, weight_decay=0.1))  # type: ignore[arg-type]
    decays = {
        parameter: group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]
    }
    for parameter in model.parameters():
        assert decays[parameter] == (0.1 if parameter.ndim == 2 else 0.0)
