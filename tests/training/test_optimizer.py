"""Learning rates, and which parameters decay."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seqloom.runs.config import TrainingConfig
from seqloom.training.checkpoint import optimizer_tensors, restore_optimizer
from seqloom.training.optimizer import RATE_RATIO, build_optimizer, learning_rate


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


class WithTable(torch.nn.Module):
    """A table with a sparse gradient, and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.EmbeddingBag(50, 3, mode="sum", sparse=True)
        self.dense = torch.nn.Linear(3, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.dense(self.table(rows))


def test_tables_with_sparse_gradients_have_a_rate_of_their_own() -> None:
    model = WithTable()
    config = TrainingConfig(learning_rate=0.01, sparse_learning_rate=0.2)
    optimizer = build_optimizer(model, config)
    rates = {
        parameter: config.learning_rate * group.get(RATE_RATIO, 1.0)
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert rates[model.table.weight] == pytest.approx(0.2)
    assert rates[model.dense.weight] == 0.01
    assert len(rates) == 3
    before = model.table.weight.detach().clone()
    model(torch.tensor([[1, 4]])).sum().backward()
    optimizer.step()
    changed = (model.table.weight != before).any(1)
    assert changed.nonzero().flatten().tolist() == [1, 4]  # no other row is touched


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_state_of_both_optimizers_comes_back(name: str) -> None:
    """A training that was saved and restored goes on as one that was not."""
    config = TrainingConfig(optimizer=name, momentum=0.9, learning_rate=0.01)  # type: ignore[arg-type]

    def train(model: WithTable, optimizer: Any, batches: list[torch.Tensor]) -> None:
        for rows in batches:
            model(rows).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    torch.manual_seed(0)
    batches = list(torch.randint(50, (6, 4, 2)))
    model, restored = WithTable(), WithTable()
    optimizer = build_optimizer(model, config)
    train(model, optimizer, batches[:3])
    restored.load_state_dict(model.state_dict())
    other = build_optimizer(restored, config)
    saved = {
        number: {key: value.clone() for key, value in values.items()}
        for number, values in optimizer_tensors(optimizer).items()
    }
    assert len(saved) == 3
    restore_optimizer(other, saved)
    train(model, optimizer, batches[3:])
    train(restored, other, batches[3:])
    assert all(map(torch.equal, model.parameters(), restored.parameters()))


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_only_matrices_decay(name: str) -> None:
    model = torch.nn.LSTM(3, 4)
    optimizer = build_optimizer(model, TrainingConfig(optimizer=name, weight_decay=0.1))  # type: ignore[arg-type]
    decays = {
        parameter: group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]
    }
    for parameter in model.parameters():
        assert decays[parameter] == (0.1 if parameter.ndim == 2 else 0.0)
