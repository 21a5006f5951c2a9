"""The training loop: truncated backpropagation through time, the state carried from window to window.

One step: loss of a batch from the carried state, backward, clip, update. All that the loop decides by is in
its `TrainingState`, a value: with its tensors and the data, a training resumes as if it had never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, final

import torch
from accelerate import Accelerator

from seqloom.data.batching import Batch, Batching, to_device
from seqloom.errors import RunError
from seqloom.runs import run_folder, weights
from seqloom.state import State, detach, tensors_of, with_tensors
from seqloom.tasks.base import Loss, Rows
from seqloom.training import checkpoint
from seqloom.training.checkpoint import Checkpoint
from seqloom.training.gradients import clip_gradient, first_not_finite, gradient_norm, gradient_norms
from seqloom.training.interrupt import Interrupt
from seqloom.training.job import Job
from seqloom.training.limits import limit_reached, progress
from seqloom.training.monitoring.callbacks import Callback
from seqloom.training.monitoring.records import Record, add_sums, rows_of_sums, sum_rows
from seqloom.training.optimizer import RATE_RATIO, build_optimizer, learning_rate
from seqloom.training.processes import LossModule, Processes
from seqloom.training.state import TrainingState
from seqloom.training.validation import Measured, Validation, after_validation, steps_between_validations
from seqloom.training.weight_averaging import WeightAverage


@final
class Trainer:
    """Train one model, from the start or from a checkpoint.

    Args:
        job: what is trained, on what.
        accelerator: the device, and the other processes.
        resumed: the checkpoint to go on from; None: from the start.
    """

    def __init__(self, job: Job, accelerator: Accelerator, resumed: Checkpoint | None = None) -> None:
        training = job.config.training
        self._job, self._training, self._accelerator = job, training, accelerator
        self.processes, self.state = Processes(accelerator), TrainingState()
        shard = self.processes.shard
        batching = Batching(
            training.batch_size,
            training.window,
            training.seed,
            shard,
            batch_units=training.batch_units,
            max_units=training.max_units,
        )
        self.source = job.preparation.source(job.data, "train", batching)
        self.validation = Validation(job, self.processes)
        self._validate_every = steps_between_validations(
            training, self.source, self.validation.source("validation")
        )
        torch.manual_seed(training.seed)
        self.model = job.config.task.build(job.preparation, job.config.model).to(self.processes.device)
        torch.manual_seed(training.seed + 1 + shard.rank)  # dropout differs between processes
        self._optimizer = build_optimizer(self.model, training)
        self._average = WeightAverage(self.model, training.averaging) if training.averaging else None
        self._carried: State | None = None
        self._folder, self._callbacks = Path(), ()
        self._clock_zero = self._record_started = self._checkpoint_seconds = 0.0
        if resumed is not None:
            self._restore(resumed)
        self._loss_of = accelerator.prepare(LossModule(job.config.task, self.model))

    def run(self, folder: Path, callbacks: Sequence[Callback]) -> TrainingState:
        """Train until a limit is reached.

        Args:
            folder: a run folder, as `run_folder.create` makes it.
            callbacks: told of every step and every record.

        Returns:
            The state at the end; its `stop_reason` names the limit.

        Raises:
            RunError: the loss is not finite, or the folder cannot be written.
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once the step is done and a checkpoint written.
        """
        self._folder, self._callbacks = folder, callbacks
        self._clock_zero = time.monotonic() - self.state.seconds
        self._record_started = self._checkpoint_seconds = self.state.seconds
        self.model.train()
        self._check_limits()
        with Interrupt() as interrupt:
            while not self.state.stop_reason:
                for batch in self.source.batches(self.state.epoch, self.state.batch):
                    self._step(batch)
                    stop, seconds = self.processes.agree(interrupt.requested, self._seconds())
                    self.state = self.state.replace(seconds=seconds)
                    self._after_step()
                    if stop:
                        self.write_checkpoint(folder)
                        raise KeyboardInterrupt
                    if self.state.stop_reason:
                        break
                else:
                    self.state = self.state.replace(epoch=self.state.epoch + 1, batch=0)
                    self._carried = None
                    self._check_limits()
            self.write_checkpoint(folder)
            if self.state.validated_step != self.state.step:
                self._validate()
                self.write_checkpoint(folder)
        return self.state

    def _step(self, batch: Batch) -> None:
        """One update: loss, backward, clip, optimizer."""
        training, state = self._training, self.state
        batch = to_device(batch, self.processes.device)
        loss = self._compute_loss(batch)
        sums = self.processes.sum_named(sum_rows(loss))
        # Processes average their gradients; times their number, that is the mean over all units.
        self._accelerator.backward(loss.nats.sum() * (self.processes.shard.world_size / sums["units"]))
        norm = gradient_norm(self.model)
        if not norm.isfinite():
            place = first_not_finite(self.model, lambda: self._compute_loss(batch))
            got = f"a loss of {loss.nats.sum().item():g} nats, first {place}"
            raise self._not_finite("loss and gradient must be finite", got)
        is_record_due = (state.step + 1) % training.log_every == 0
        details: dict[str, Any] = {}
        if is_record_due:
            details = {"gradient_norm": norm.item(), "gradient_norms": gradient_norms(self.model)}
        is_clipped = clip_gradient(self.model, training.gradient_clip, norm)

        rate = learning_rate(training, state.step, self.progress(), state.learning_rate_scale)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group.get(RATE_RATIO, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._average is not None:
            self._average.update(self.model, state.step)

        carries_state = self.source.carries_state and loss.state is not None
        self._carried = detach(loss.state) if carries_state else None
        self.state = state.replace(
            step=state.step + 1,
            batch=state.batch + 1,
            clipped_steps=state.clipped_steps + is_clipped,
            sums=add_sums(state.sums, sums),
        )
        if is_record_due:
            self._record_training({"learning_rate": rate, **details})

    def _compute_loss(self, batch: Batch) -> Loss:
        bf16 = self._training.precision == "bfloat16"
        with torch.autocast(self.processes.device.type, torch.bfloat16) if bf16 else nullcontext():
            context = self._job.config.context(self._job.preparation, self.progress())
            loss: Loss = self._loss_of(batch, self._carried, context)
            return loss

    def _after_step(self) -> None:
        """Whatever is due: validation, the end, a checkpoint."""
        if self.state.step % self._validate_every == 0:
            self._validate()
        self._check_limits()
        for callback in self._callbacks:
            callback.on_step(self.progress(), self.state.seconds)
        minutes = (self.state.seconds - self._checkpoint_seconds) / 60
        if (
            self.state.step % self._training.checkpoint_every == 0
            or minutes >= self._training.checkpoint_minutes
        ):
            self.write_checkpoint(self._folder)

    def _validate(self) -> None:
        """Measure on the validation split; keep the weights if they are the best so far."""
        started = time.monotonic()
        with nullcontext() if self._average is None else self._average.swapped_into(self.model):
            # The task's defaults decode fastest: a training validates often.
            rows = self.validation.measure(self.model, "validation", self._job.config.task.DecodingConfig())
            measured = Measured.of(self._job.config.task, rows, self._job.preparation.unit)
            if not math.isfinite(measured.loss):
                raise self._not_finite("the validation loss must be finite", f"{measured.loss}")
            self.record("validation", rows)
            self.state = after_validation(self._training, self.state, measured)
            if self.state.best_step == self.state.step and self.processes.is_main:
                run_folder.save_model(self._folder, self.model)
        self._record_started += time.monotonic() - started  # not part of the units learnt per second

    def _check_limits(self) -> None:
        self.state = self.state.replace(stop_reason=self.limit_reached())

    def limit_reached(self) -> str:
        """Why the training is over; empty while it is not."""
        return limit_reached(self._training, self.state)

    def progress(self) -> float:
        """The share of the training that is done, 0 to 1."""
        return progress(self._training, self.state, len(self.source))

    def _seconds(self) -> float:
        return time.monotonic() - self._clock_zero

    def _record_training(self, details: dict[str, Any]) -> None:
        """Record the mean training loss of the steps since the last record."""
        rows, seconds, unit = rows_of_sums(self.state.sums), self._seconds(), self._job.preparation.unit
        rate = float(rows.units[0]) / max(seconds - self._record_started, 1e-9)
        clipped_share = self.state.clipped_steps / self.state.step
        self.record("train", rows, {f"{unit}s_per_second": rate, "clipped_share": clipped_share, **details})
        self.state, self._record_started = self.state.replace(sums={}), seconds

    def record(self, split: str, rows: Rows, details: dict[str, Any] | None = None) -> None:
        """Tell the callbacks what was measured on a split."""
        task, unit = self._job.config.task, self._job.preparation.unit
        scores = task.score(rows, unit)
        seconds, metric = round(self._seconds(), 3), task.primary_metric(scores).name
        record = Record(
            self.state.step, self.state.epoch, seconds, split, unit, scores, metric, details or {}
        )
        for callback in self._callbacks:
            callback.on_record(record)

    def _not_finite(self, expected: str, got: str) -> RunError:
        training = self._training
        hint = (
            "The last good checkpoint stays. Go on from it with --resume --set training.learning_rate="
            f"{training.learning_rate / 4:g} (it is {training.learning_rate:g})"
        )
        hint += "" if training.gradient_clip else ", and set training.gradient_clip=1.0"
        return RunError(f"training, step {self.state.step + 1}", expected, got=got, hint=hint)

    def write_checkpoint(self, folder: Path) -> None:
        """Replace the checkpoint of `folder`. All processes call it; one writes."""
        self._checkpoint_seconds = self.state.seconds
        carried = [] if self._carried is None else tensors_of(self._carried)
        own = [tensor.cpu() for tensor in (checkpoint.random_state(self.processes.device), *carried)]
        processes = self.processes.gather(own)
        if not self.processes.is_main:
            return
        metrics_bytes = sum(callback.written_bytes() for callback in self._callbacks)
        self.state = self.state.replace(metrics_bytes=metrics_bytes)
        saved = Checkpoint(
            state=self.state,
            data_path=str(self._job.data_path.resolve()),
            data_digest=self.source.digest,
            model=weights.unique_state(self.model),
            optimizer=checkpoint.optimizer_tensors(self._optimizer),
            processes=processes,
            average={} if self._average is None else self._average.weights,
        )
        checkpoint.save(folder, saved)

    def _restore(self, resumed: Checkpoint) -> None:
        shard, device = self.processes.shard, self.processes.device
        checkpoint.refuse_other_training(resumed, self.source.digest, shard.world_size)
        self.state = resumed.state
        weights.load_state(self.model, resumed.model, checkpoint.FILE)
        try:
            checkpoint.restore_optimizer(self._optimizer, resumed.optimizer)
            if self._average is not None:
                self._average.restore(resumed.average)
            random_state, *carried = resumed.processes[shard.rank]
            checkpoint.restore_random_state(random_state, device)
            if carried:
                structure = self.model.initial_state(1)  # type: ignore[operator]
                self._carried = with_tensors(structure, [tensor.to(device) for tensor in carried])
        except (RuntimeError, ValueError, TypeError, LookupError, StopIteration) as error:
            got = str(error).partition("\n")[0] or type(error).__name__
            raise RunError(checkpoint.FILE, "must be a checkpoint of this training", got=got) from None
