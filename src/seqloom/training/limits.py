"""How much of a training is done, and whether it is over."""

from __future__ import annotations

from seqloom.runs.config import TrainingConfig
from seqloom.training.state import TrainingState


def progress(config: TrainingConfig, state: TrainingState, batches_per_epoch: int) -> float:
    """The share of the training that is done, 0 to 1, by the limit that will be reached first.

    >>> config = TrainingConfig(max_steps=100, max_epochs=1)
    >>> progress(config, TrainingState(step=30, batch=30), batches_per_epoch=60)
    0.5
    """
    steps = state.step / config.max_steps if config.max_steps else 0.0
    minutes = state.seconds / (60 * config.max_minutes) if config.max_minutes else 0.0
    epochs = state.epoch + state.batch / batches_per_epoch
    return min(max(steps, minutes, epochs / config.max_epochs if config.max_epochs else 0.0), 1.0)


def limit_reached(config: TrainingConfig, state: TrainingState) -> str:
    """Which limit ends the training, as a person set it; empty while none does.

    >>> limit_reached(TrainingConfig(max_steps=100), TrainingState(step=100))
    'training.max_steps=100'
    """
    if config.patience is not None and state.validations_since_best >= config.patience:
        return f"training.patience={config.patience} validations without improvement"
    if config.max_steps is not None and state.step >= config.max_steps:
        return f"training.max_steps={config.max_steps}"
    if config.max_epochs is not None and state.epoch >= config.max_epochs:
        return f"training.max_epochs={config.max_epochs}"
    if config.max_minutes is not None and state.seconds >= 60 * config.max_minutes:
        return f"training.max_minutes={config.max_minutes:g}"
    return ""
