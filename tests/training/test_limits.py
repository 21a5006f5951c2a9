"""When a training is over, how much of it is done, and what a validation changes."""

from __future__ import annotations

from typing import Any

import pytest

from seqloom.runs.config import TrainingConfig
from seqloom.tasks.base import Metric
from seqloom.training.limits import limit_reached, progress
from seqloom.training.state import TrainingState
from seqloom.training.validation import Measured, after_validation


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


def loss(value: float) -> Measured:
    return Measured(Metric("loss_nats_per_token", higher_is_better=False), value, value)


def accuracy(value: float, loss: float) -> Measured:
    return Measured(Metric("accuracy", higher_is_better=True), value, loss)


def test_a_lower_loss_is_the_best_and_an_equal_one_is_not() -> None:
    config = TrainingConfig()
    first = after_validation(config, TrainingState(step=10), loss(2.0))
    assert (first.best_loss, first.best_step, first.validated_step) == (2.0, 10, 10)
    same = after_validation(config, first.replace(step=20), loss(2.0))
    assert (same.best_step, same.validations_since_best, same.validated_step) == (10, 1, 20)
    better = after_validation(config, same.replace(step=30), loss(1.9))
    assert (better.best_loss, better.best_step, better.validations_since_best) == (1.9, 30, 0)


def test_the_metric_of_the_task_picks_the_best_and_the_loss_decides_between_equals() -> None:
    config, state = TrainingConfig(), TrainingState()
    best_steps = []
    for step, measured in enumerate(
        [
            accuracy(0.5, loss=1.0),
            accuracy(0.4, loss=0.5),  # a lower loss is not what is asked for
            accuracy(0.7, loss=0.9),
            accuracy(0.7, loss=0.8),
            accuracy(0.7, loss=0.85),
        ],
        1,
    ):
        state = after_validation(config, state.replace(step=step), measured)
        best_steps.append(state.best_step)
    assert best_steps == [1, 1, 3, 4, 4]
    assert (state.best_metric, state.best_value, state.loss_at_best) == ("accuracy", 0.7, 0.8)
    assert state.best_loss == 0.5


def test_a_lower_error_rate_is_better() -> None:
    state = TrainingState()
    for step, value in ((1, 1.0), (2, 0.4), (3, 0.6)):
        measured = Measured(Metric("wer", higher_is_better=False), value, 1.0)
        state = after_validation(TrainingConfig(), state.replace(step=step), measured)
    assert state.best_step == 2


def test_a_training_goes_on_while_the_metric_or_the_loss_improves() -> None:
    config, state = TrainingConfig(schedule="plateau", plateau_patience=2), TrainingState()
    counts = []
    for measured in (
        accuracy(0.0, loss=3.0),
        accuracy(0.0, loss=2.0),
        accuracy(0.5, loss=2.5),
        accuracy(0.4, loss=2.1),
        accuracy(0.4, loss=1.9),
        accuracy(0.4, loss=1.9),
    ):
        state = after_validation(config, state, measured)
        counts.append(state.validations_since_best)
    assert counts == [0, 0, 0, 1, 0, 1]
    assert state.learning_rate_scale == 1.0


def test_a_training_that_began_with_the_loss_goes_on_with_it() -> None:
    before = {"step": 20, "best_loss": 1.0, "best_step": 10}
    state = TrainingState.from_dict(before)
    worse = after_validation(TrainingConfig(), state, accuracy(0.9, loss=1.1))
    assert (worse.best_step, worse.validations_since_best) == (10, 1)
    again = TrainingState.from_dict(worse.to_dict())
    better = after_validation(TrainingConfig(), again, accuracy(0.1, loss=0.9))
    assert (better.best_step, better.best_metric) == (20, "loss")


def test_plateau_lowers_the_rate_after_its_patience_and_counts_anew() -> None:
    config = TrainingConfig(schedule="plateau", plateau_patience=2, plateau_factor=0.5)
    state = after_validation(config, TrainingState(), loss(1.0))
    scales = []
    for _ in range(5):
        state = after_validation(config, state, loss(1.5))
        scales.append(state.learning_rate_scale)
    assert scales == [1.0, 0.5, 0.5, 0.25, 0.25]
    assert state.validations_since_best == 5
    constant = after_validation(TrainingConfig(), state.replace(learning_rate_scale=1.0), loss(1.5))
    assert constant.learning_rate_scale == 1.0
