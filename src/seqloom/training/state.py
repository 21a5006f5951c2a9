"""Where a training is: with the weights and the data, all that it needs to go on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from seqloom.stored import MAX_COUNT, Count, describe_mistake

FORMER_NAMES = {
    "stale_validations": "validations_since_best",
    "plateau_validations": "validations_since_rate_change",
    "recent": "sums",
    "finished": "stop_reason",
}
"""Names of fields in checkpoints written before they were renamed."""

LOSS = "loss"
"""The `best_metric` of trainings that began before a task's primary metric picked the best weights."""


Sums: TypeAlias = int | float | list[int | float]


@dataclasses.dataclass(frozen=True)
class TrainingState:
    """Everything that the loop decides by and that is neither a tensor nor in the configuration."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True)

    step: Count = 0
    """Steps taken."""
    epoch: Count = 0
    batch: Count = 0
    """Number of the next batch of the epoch."""
    seconds: float = 0.0
    """Time spent in training, over all its sessions."""
    learning_rate_scale: float = 1.0
    """What the plateau schedule has lowered the learning rate to, as a share of `training.learning_rate`."""
    best_loss: float | None = None
    """Lowest validation loss in nats per unit; None before the first validation."""
    best_step: Count = 0
    """The step whose weights are saved: the best by `best_metric`."""
    best_metric: str = ""
    """Name of the metric that picks the best weights: the task's primary one. Empty before the first
    validation; `loss` in trainings that began when the loss picked them."""
    best_value: float | None = None
    """The metric at `best_step`; None before the first validation."""
    loss_at_best: float | None = None
    """The validation loss at `best_step`, which decides between equal values."""
    validations_since_best: Count = 0
    """Validations in a row in which neither the metric nor the loss improved."""
    validations_since_rate_change: Count = 0
    """Validations without improvement since the plateau schedule last lowered the learning rate."""
    clipped_steps: Count = 0
    """Steps whose gradient was clipped."""
    sums: Mapping[str, Sums] = dataclasses.field(default_factory=dict)
    """Since the last training record, by name: nats, units, and what else the task counts. A float or a
    list of floats each."""
    metrics_bytes: Count = 0
    """Length of metrics.jsonl; lines after it are written again when the training resumes."""
    validated_step: Annotated[int, Field(ge=-1, le=MAX_COUNT)] = -1
    """The last step after which the model was validated."""
    stop_reason: str = ""
    """Why the training is over; empty while it is not."""

    def replace(self, **changes: Any) -> TrainingState:
        """A copy with other values in some fields."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> TrainingState:
        """The state that `to_dict` wrote, in this version or an earlier one.

        Raises:
            TypeError: it has a field that does not exist, or a value of another type.
        """
        renamed = {FORMER_NAMES.get(name, name): value for name, value in values.items()}
        state = TrainingState(**renamed)
        try:
            _adapter().validate_json(json.dumps(renamed))
        except ValidationError as error:
            raise TypeError(describe_mistake(error)) from None
        if "best_metric" in values:
            return state
        return state.replace(best_metric=LOSS, best_value=state.best_loss, loss_at_best=state.best_loss)


@cache
def _adapter() -> TypeAdapter[TrainingState]:
    return TypeAdapter(TrainingState)
