"""Measure a model on the splits that it does not learn from, and decide by that: is it the best so far?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

from torch import nn

from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import BATCH_SIZE
from seqloom.evaluation.measure import measure
from seqloom.runs.config import TrainingConfig
from seqloom.tasks.base import Metric, Preparation, Rows, Task
from seqloom.training.job import Job
from seqloom.training.processes import Processes
from seqloom.training.state import LOSS, TrainingState


@final
class Validation:
    """The splits that a model is measured on. All are read at once: a bad row should not wait for the end.

    Args:
        job: the task, its preparation and the data.
        processes: which share the rows of a split.
    """

    def __init__(self, job: Job, processes: Processes) -> None:
        training, task = job.config.training, job.config.task
        self._job, self._processes = job, processes
        batching = Batching(BATCH_SIZE, training.window, training.seed, processes.shard, training=False)
        # A training validates often, by the defaults of `decoding.*`; the test is made as the run asks for.
        decodings = {split: job.config.decoding for split in job.data.splits if split != "train"}
        decodings |= {"validation": task.DecodingConfig()}
        self._preparations = {
            split: task.evaluated(job.preparation, decoding) for split, decoding in decodings.items()
        }
        self._sources = {
            split: preparation.source(job.data, split, batching)
            for split, preparation in self._preparations.items()
        }

    def preparation(self, split: str) -> Preparation:
        """What made the source of a split, for a baseline that is measured on the same."""
        return self._preparations[split]

    def source(self, split: str) -> Source:
        """The batches of a split."""
        return self._sources[split]

    def skipped(self) -> Mapping[str, Sequence[str]]:
        """Messages about unusable rows, by split."""
        return {split: source.skipped for split, source in self._sources.items()}

    def measure(self, model: nn.Module, split: str, decoding: Any = None) -> Rows:
        """What each row of a split costs the model as it is now, over all processes.

        Args:
            model: in either mode.
            split: `validation` or `test`.
            decoding: the task's `DecodingConfig`; None: the run's.
        """
        config = self._job.config
        context = config.context(self._job.preparation, decoding=decoding)
        rows = measure(config.task, model, self._sources[split], self._processes.device, context)
        return Rows.join(self._processes.gather(rows))


def steps_between_validations(config: TrainingConfig, train: Source, validation: Source) -> int:
    """`training.validate_every`, or once an epoch within 250 to 2,000 steps, and seldom enough that at least
    five rows are learnt from for one that is measured."""
    if config.validate_every:
        return config.validate_every
    rows = len(validation) * BATCH_SIZE
    return max(min(max(len(train), 250), 2000), 5 * rows // config.batch_size)


class Measured(NamedTuple):
    """What decides whether the weights are the best so far: the task's primary metric, and the loss."""

    metric: Metric
    value: float
    loss: float
    """Nats per unit"""

    @staticmethod
    def of(task: Task, rows: Rows, unit: str) -> Measured:
        """From what was measured on the validation split."""
        scores = task.score(rows, unit)
        metric = task.primary_metric(scores)
        return Measured(metric, scores[metric.name], rows.mean())

    def is_better(self, state: TrainingState) -> bool:
        """Whether the weights are better than those of `state.best_step`: by the metric, else by the loss."""
        if state.best_value is None or state.loss_at_best is None:
            return True
        if self.value == state.best_value:
            return self.loss < state.loss_at_best
        return (self.value > state.best_value) == self.metric.higher_is_better


def after_validation(config: TrainingConfig, state: TrainingState, measured: Measured) -> TrainingState:
    """The state after a validation: `best_step` is `step` if the weights are the best so far.

    A training stops early, and the `plateau` schedule lowers the learning rate, only once neither the metric
    nor the loss improves any more: either may stand still for a while, as an error rate does at first.

    >>> config = TrainingConfig(schedule="plateau", plateau_patience=1, plateau_factor=0.5)
    >>> state = TrainingState(step=20, best_metric="loss", best_value=1.0, loss_at_best=1.0, best_loss=1.0)
    >>> after_validation(config, state, Measured(Metric("loss", False), 1.5, 1.5)).learning_rate_scale
    0.5
    """
    if state.best_metric == LOSS:
        measured = Measured(Metric(LOSS, higher_is_better=False), measured.loss, measured.loss)
    loss = measured.loss
    is_best, is_lower = measured.is_better(state), state.best_loss is None or loss < state.best_loss
    state = state.replace(validated_step=state.step, best_metric=measured.metric.name)
    if is_lower:
        state = state.replace(best_loss=loss)
    if is_best:
        state = state.replace(best_step=state.step, best_value=measured.value, loss_at_best=loss)
    if is_best or is_lower:
        return state.replace(validations_since_best=0, validations_since_rate_change=0)
    state = state.replace(
        validations_since_best=state.validations_since_best + 1,
        validations_since_rate_change=state.validations_since_rate_change + 1,
    )
    if config.schedule == "plateau" and state.validations_since_rate_change >= config.plateau_patience:
        scale = state.learning_rate_scale * config.plateau_factor
        return state.replace(learning_rate_scale=scale, validations_since_rate_change=0)
    return state
