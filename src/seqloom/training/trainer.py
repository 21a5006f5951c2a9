"""The training loop: truncated backpropagation through time with the state carried from window to window.

One step: loss of a batch from the carried state, backward, clip, update. Whatever the loop decides by is in
its `Position`, so that a checkpoint and the data are all that is needed to go on as if nothing had happened.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, final

import numpy
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from seqloom.data.batching import Batch, Batching, Shard, Source, to_device
from seqloom.data.bucketing import BATCH_SIZE
from seqloom.errors import RunError
from seqloom.evaluation.report import measure
from seqloom.layers.recurrent import LAYER_CLASSES
from seqloom.runs import run_folder, weights
from seqloom.state import State, detach, tensors_of, with_tensors
from seqloom.tasks.base import Loss, Rows
from seqloom.training import checkpoint
from seqloom.training.callbacks import Hook
from seqloom.training.checkpoint import Checkpoint, Position
from seqloom.training.gradients import first_not_finite, gradient_norms
from seqloom.training.interrupt import Interrupt
from seqloom.training.job import Job
from seqloom.training.optimizer import build_optimizer, learning_rate
from seqloom.training.weight_averaging import Average


@final
class Trainer:
    """Train one model. Made new, or from a checkpoint; `run` returns when a limit is reached.

    Args:
        job: what is trained, on what.
        accelerator: the device, and the other processes.
        resumed: where to go on from; None: from the start.
    """

    def __init__(self, job: Job, accelerator: Accelerator, resumed: Checkpoint | None = None) -> None:
        self.position = Position()
        self._job, self._accelerator = job, accelerator
        self._training, self._device = job.config.training, accelerator.device
        training = self._training
        self._shard = Shard(accelerator.process_index, accelerator.num_processes)
        batching = Batching(
            training.batch_size, training.window, training.seed, self._shard, batch_units=training.batch_units
        )
        self._source = job.preparation.source(job.data, "train", batching)
        self._measured: dict[str, Source] = {}
        self._validate_every = training.validate_every or self._seldom_enough()
        torch.manual_seed(training.seed)
        self.model = job.config.task.build(job.preparation, job.config.model).to(self._device)
        self._optimizer = build_optimizer(self.model, training)
        self._average = Average(self.model, training.averaging) if training.averaging else None
        torch.manual_seed(training.seed + 1 + accelerator.process_index)  # dropout differs between processes
        self._carried: State | None = None
        self._folder, self._hooks = Path(), ()
        self._started = self._recent_started = 0.0
        for split in job.data.splits:  # what is wrong with one should be known before the first step
            self.evaluation_source(split)
        if resumed is not None:
            self._restore(resumed)
        self._wrapped = accelerator.prepare(self.model)

    def run(self, folder: Path, hooks: Sequence[Hook]) -> Position:
        """Train until a limit is reached, or until Ctrl-C (see `Interrupt`), which leaves a checkpoint.

        Args:
            folder: a run folder, as `run_folder.create` makes it.
            hooks: told of every step and every record.

        Raises:
            RunError: the loss is not finite, or the folder cannot be written.
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once the checkpoint is written.
        """
        position = self.position
        self._folder, self._hooks = folder, hooks
        self._started = time.monotonic() - position.seconds
        self._recent_started = position.seconds
        self._wrapped.train()
        position.finished = self.limit_reached()
        with Interrupt() as interrupt:
            while not position.finished:
                for batch in self._source.batches(position.epoch, position.batch):
                    self._step(batch)
                    asked = self._synchronize(interrupt.asked)
                    self._do_what_is_due()
                    if asked:
                        self.write_checkpoint(folder)
                        raise KeyboardInterrupt
                    if position.finished:
                        break
                else:
                    position.epoch, position.batch, self._carried = position.epoch + 1, 0, None
                    position.finished = self.limit_reached()
            self.write_checkpoint(folder)
            if position.validated_step != position.step:
                self._validate()
                self.write_checkpoint(folder)
        return position

    def _step(self, batch: Batch) -> None:
        """One update."""
        position, training = self.position, self._training
        batch = to_device(batch, self._device)
        rate = learning_rate(training, position.step, self._progress(), position.learning_rate_scale)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss(batch)
        counts = {"nats": loss.nats.detach(), "units": loss.units, **loss.counts}
        sums = [values.sum(0).double() for values in counts.values()]
        total = torch.cat([values.reshape(-1) for values in sums])
        processes = self._accelerator.num_processes
        if processes > 1:
            total = self._sum(total)
        # Processes average their gradients; the mean over all units is their sum, divided once.
        self._accelerator.backward(loss.nats.sum() * (processes / total[1]))
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        if not norm.isfinite():
            place = first_not_finite(self.model, lambda: self._loss(batch))
            got = f"a loss of {loss.nats.sum().item():g} nats, first {place}"
            self._stop_not_finite("loss and gradient must be finite", got)
        is_due = (position.step + 1) % training.log_every == 0
        gradients = (
            {"gradient_norm": norm.item(), "gradient_norms": gradient_norms(self.model)} if is_due else {}
        )
        limit = training.gradient_clip
        if limit is not None and norm > limit:
            position.clipped_steps += 1
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), limit, norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._average is not None:
            self._average.update(self.model, position.step)
        self._carried = detach(loss.state) if self._source.carries_state and loss.state is not None else None
        position.step, position.batch = position.step + 1, position.batch + 1
        for name, value, values in zip(counts, total.split([s.numel() for s in sums]), sums, strict=True):
            before = torch.tensor(position.recent.get(name, 0.0), dtype=torch.float64)
            position.recent[name] = (before + value.cpu().view(values.shape)).tolist()
        if is_due:
            self._log({"learning_rate": rate, **gradients})

    def _sum(self, values: Tensor) -> Tensor:
        """Over all processes."""
        total = self._accelerator.reduce(values, "sum")
        assert isinstance(total, Tensor)
        return total

    def _loss(self, batch: Batch) -> Loss:
        half = self._training.precision == "bfloat16"
        with torch.autocast(self._device.type, torch.bfloat16) if half else nullcontext():
            context = self._job.config.context(self._job.preparation, self._progress())
            return self._job.config.task.loss(self._wrapped, batch, self._carried, context)

    def _do_what_is_due(self) -> None:
        """After a step: validation, checkpoint, or the end."""
        position, training = self.position, self._training
        if position.step % self._validate_every == 0:
            self._validate()
        position.finished = self.limit_reached()
        for hook in self._hooks:
            hook.step(self._progress(), position.seconds)
        if position.step % training.checkpoint_every == 0:
            self.write_checkpoint(self._folder)

    def _progress(self) -> float:
        """Shard of the limits that is used up: of the one that comes first."""
        position, training = self.position, self._training
        used = [
            position.step / training.max_steps if training.max_steps else 0.0,
            position.seconds / (60 * training.max_minutes) if training.max_minutes else 0.0,
            (position.epoch + position.batch / len(self._source)) / training.max_epochs
            if training.max_epochs
            else 0.0,
        ]
        return min(max(used), 1.0)

    def limit_reached(self) -> str:
        """Why the training is over; empty while it is not."""
        position, training = self.position, self._training
        if training.patience is not None and position.stale_validations >= training.patience:
            return f"no better validation for training.patience={training.patience} times"
        if training.max_steps is not None and position.step >= training.max_steps:
            return f"training.max_steps={training.max_steps}"
        if training.max_epochs is not None and position.epoch >= training.max_epochs:
            return f"training.max_epochs={training.max_epochs}"
        if training.max_minutes is not None and position.seconds >= 60 * training.max_minutes:
            return f"training.max_minutes={training.max_minutes:g}"
        return ""

    def _synchronize(self, asked: bool) -> bool:
        """Read the clock, and whether any process was asked to stop: the same answer on all of them."""
        seconds = time.monotonic() - self._started
        if self._accelerator.num_processes > 1:
            main = self._accelerator.is_main_process
            mine = torch.tensor([float(asked), seconds if main else 0.0], device=self._device)
            stops, seconds = self._sum(mine).tolist()
            asked = stops > 0
        self.position.seconds = seconds
        return asked

    def _log(self, details: dict[str, Any]) -> None:
        """A record of the training loss since the last one."""
        position, unit = self.position, self._job.preparation.unit
        seconds = time.monotonic() - self._started
        sums = {name: numpy.array([value]) for name, value in position.recent.items()}
        rows = Rows(sums.pop("nats"), sums.pop("units"), sums)
        rate = float(rows.units[0]) / max(seconds - self._recent_started, 1e-9)
        clipped = position.clipped_steps / position.step
        self.record("train", rows, {f"{unit}s_per_second": rate, "clipped_shard": clipped, **details})
        position.recent, self._recent_started = {}, seconds

    def _validate(self) -> None:
        """Measure on the validation split; keep the weights if they are the best so far."""
        started = time.monotonic()
        with self._average.swapped_into(self.model) if self._average is not None else nullcontext():
            self._validate_and_keep()
        self._recent_started += time.monotonic() - started  # the rate is that of learning

    def _validate_and_keep(self) -> None:
        position, training = self.position, self._training
        # The quickest decoding: a training validates often.
        decoding = self._job.config.task.DecodingConfig()
        rows = self.measure("validation", decoding)
        loss = rows.mean()
        if not math.isfinite(loss):
            self._stop_not_finite("the validation loss must be finite", f"{loss}")
        self.record("validation", rows)
        position.validated_step = position.step
        if position.best_loss is None or loss < position.best_loss:
            position.best_loss, position.best_step = loss, position.step
            position.stale_validations = position.plateau_validations = 0
            if self._accelerator.is_main_process:
                run_folder.save_model(self._folder, self.model)
            return
        position.stale_validations += 1
        position.plateau_validations += 1
        if training.schedule == "plateau" and position.plateau_validations >= training.plateau_patience:
            position.learning_rate_scale *= training.plateau_factor
            position.plateau_validations = 0

    def measure(self, split: str, decoding: Any = None) -> Rows:
        """What each row of a split costs the model as it is now, over all processes."""
        config, source = self._job.config, self.evaluation_source(split)
        context = config.context(self._job.preparation, decoding=decoding)
        rows = [measure(config.task, self.model, source, self._device, context)]
        return Rows.join(gather_object(rows) if self._accelerator.num_processes > 1 else rows)

    def evaluation_source(self, split: str) -> Source:
        """The batches that a split is measured by."""
        if split not in self._measured:
            training = self._training
            batching = Batching(BATCH_SIZE, training.window, training.seed, self._shard, training=False)
            self._measured[split] = self._job.preparation.source(self._job.data, split, batching)
        return self._measured[split]

    def skipped(self) -> dict[str, Sequence[str]]:
        """Of each split what was wrong with the rows that are left out."""
        sources = {"train": self._source, **self._measured}
        return {split: sources[split].skipped for split in self._job.data.splits}

    def _seldom_enough(self) -> int:
        """Steps between validations: an epoch within reason, and five rows learnt for one measured."""
        measured = len(self.evaluation_source("validation")) * BATCH_SIZE
        return max(min(max(len(self._source), 250), 2000), 5 * measured // self._training.batch_size)

    def record(self, split: str, rows: Rows, details: dict[str, Any] | None = None) -> None:
        """Tell the hooks what was measured."""
        position = self.position
        values = {**self._job.config.task.score(rows, self._job.preparation.unit), **(details or {})}
        seconds = round(time.monotonic() - self._started, 3)
        record = {
            "step": position.step,
            "epoch": position.epoch,
            "seconds": seconds,
            "split": split,
            **values,
        }
        for hook in self._hooks:
            hook.record(record)

    def _stop_not_finite(self, expected: str, got: str) -> None:
        training = self._training
        raise RunError(
            f"training, step {self.position.step + 1}",
            expected,
            got=got,
            hint=f"The last good checkpoint stays. Go on from it with --resume --set training.learning_rate="
            f"{training.learning_rate / 4:g} (it is {training.learning_rate:g})"
            + ("" if training.gradient_clip else ", and set training.gradient_clip=1.0"),
        )

    def write_checkpoint(self, folder: Path) -> None:
        """Replace the checkpoint of `folder`; the first one is written before the first step."""
        carried = [] if self._carried is None else tensors_of(self._carried)
        kept = [[tensor.cpu() for tensor in (checkpoint.random_state(self._device), *carried)]]
        processes = gather_object(kept) if self._accelerator.num_processes > 1 else kept
        if self._accelerator.is_main_process:
            self.position.metrics_bytes = sum(hook.written_bytes() for hook in self._hooks)
            checkpoint.save(folder, self._checkpoint(processes))

    @property
    def device(self) -> torch.device:
        """Where the model is trained."""
        return self._device

    @property
    def digest(self) -> str:
        """Of the training data."""
        return self._source.digest

    def kernels(self) -> list[str]:
        """Which kernel runs each kind of recurrent layer in training, and why."""
        rows = (self._training.window, self._training.batch_size)
        layers = [layer for layer in self.model.modules() if isinstance(layer, LAYER_CLASSES)]
        sizes: list[Any] = [layer.input_size for layer in layers]
        inputs = [torch.empty(*rows, size, device=self._device) for size in sizes]
        found = [layer.choice(values) for layer, values in zip(layers, inputs, strict=True)]
        return list(dict.fromkeys(f"{choice.kernel}, {choice.reason}" for choice in found))

    def _checkpoint(self, processes: list[list[Tensor]]) -> Checkpoint:
        return Checkpoint(
            position=self.position,
            data_path=str(self._job.data_path.resolve()),
            data_digest=self._source.digest,
            model=weights.unique_state(self.model),
            optimizer=checkpoint.optimizer_tensors(self._optimizer),
            processes=processes,
            average={} if self._average is None else self._average.weights,
        )

    def _restore(self, resumed: Checkpoint) -> None:
        world = self._accelerator.num_processes
        where = f"--resume from step {resumed.position.step}"
        if resumed.data_digest != self._source.digest:
            raise RunError(
                where,
                f"the training data must be what it was ({resumed.data_path})",
                got="other data",
                hint="Name the old data, or begin a new run with --out",
            )
        if len(resumed.processes) != world:
            raise RunError(where, f"expected {len(resumed.processes)} process(es), as before", got=world)
        self.position = resumed.position
        weights.load_state(self.model, resumed.model, checkpoint.FILE)
        checkpoint.restore_optimizer(self._optimizer, resumed.optimizer)
        if self._average is not None:
            self._average.restore(resumed.average)
        random_state, *carried = resumed.processes[self._accelerator.process_index]
        checkpoint.restore_random_state(random_state, self._device)
        if carried:
            shape = self.model.initial_state(1)  # type: ignore[operator]
            self._carried = with_tensors(shape, [tensor.to(self._device) for tensor in carried])
