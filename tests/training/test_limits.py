"""When a training is over, how much of it is done, and what a validation changes."""

from __future__ import annotations

from typing import Any

import pytest

from seqloom.runs.config import TrainingConfig
from seqloom.training.limits import limit_reached, progress
from seqloom.training.state import TrainingState
from seqloom.training.validation import after_validation


@pytest.mark.parametrize(
    ("settings", "state", "reason"),
    [
        ({"max_steps": 7}, {"step": 6}, ""),
        ({"max_steps": 7}, {"step": 7}, "training.max_steps=7"),
        ({"max_epochs": 2}, {"epoch": 1, "batch": 99}, ""),
        ({"max_epochs": 2}, {"epoch": 2}, "training.max_epochs=2"),
        ({"max_minutes": 0.5}, {"seconds": 29.9}, ""),
        ({"max_minutes": 0.5}, {"seconds": 30.0}, "training.max_minutes=0.5"),
        ({"patience": 3}, {"validations_since_best": 2}, ""),
        (
            {"patience": 3},
            {"validations_since_best": 3},
            "training.patience=3 validations without improvement",
        ),
        ({"patience": None}, {"validations_since_best": 1000}, ""),
        ({"max_steps": 7, "max_epochs": 2}, {"step": 7, "epoch": 1}, "training.max_steps=7"),
    ],
)
def test_the_limit_that_is_reached_first_ends_a_training(
    settings: dict[str, Any], state: dict[str, Any], reason: str
) -> None:
    assert limit_reached(TrainingConfig(**settings), TrainingState(**state)) == reason


def test_progress_is_that_of_the_limit_that_comes_first() -> None:
    config = TrainingConfig(max_steps=100, max_epochs=4, max_minutes=1.0)
    assert progress(config, TrainingState(), batches_per_epoch=10) == 0.0
    assert progress(config, TrainingState(step=30, epoch=1), batches_per_epoch=10) == 0.3
    assert progress(config, TrainingState(step=30, epoch=3, batch=5), batches_per_epoch=10) == 3.5 / 4
    assert progress(config, TrainingState(step=30, seconds=54.0), batches_per_epoch=10) == 0.9
    assert progress(config, TrainingState(step=200), batches_per_epoch=10) == 1.0


def test_a_lower_loss_is_the_best_and_an_equal_one_is_not() -> None:
    config = TrainingConfig()
    first = after_validation(config, TrainingState(step=10), 2.0)
    assert (first.best_loss, first.best_step, first.validated_step) == (2.0, 10, 10)
    same = after_validation(config, first.replace(step=20), 2.0)
    assert (same.best_step, same.validations_since_best, same.validated_step) == (10, 1, 20)
    better = after_validation(config, same.replace(step=30), 1.9)
    assert (better.best_loss, better.best_step, better.validations_since_best) == (1.9, 30, 0)


def test_plateau_lowers_the_rate_after_its_patience_and_counts_anew() -> None:
    config = TrainingConfig(schedule="plateau", plateau_patience=2, plateau_factor=0.5)
    state = TrainingState(best_loss=1.0)
    scales = []
    for _ in range(5):
        state = after_validation(config, state, 1.5)
        scales.append(state.learning_rate_scale)
    assert scales == [1.0, 0.5, 0.5, 0.25, 0.25]
    assert state.validations_since_best == 5
    constant = after_validation(TrainingConfig(), TrainingState(best_loss=1.0), 1.5)
    assert constant.learning_rate_scale == 1.0
