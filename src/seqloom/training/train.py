"""From a path to a finished run folder: infer the task, resolve the configuration, train, report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from seqloom.errors import ConfigError, RunError
from seqloom.evaluation.report import Report, make_report, with_comparison
from seqloom.progress import listen, shown
from seqloom.runs import run_folder
from seqloom.runs.config import RunConfig, read_yaml
from seqloom.runs.example import answer_example
from seqloom.runs.lock import RunLock, remove_abandoned
from seqloom.runs.model_card import write_card
from seqloom.tasks.base import Rows
from seqloom.training.job import Job, folder_to_resume, nested_settings, new_job, resumed_job
from seqloom.training.monitoring.callbacks import Callback, MetricsFile, TensorBoard
from seqloom.training.monitoring.finished import AtEnd, Finished
from seqloom.training.monitoring.progress import ProgressBar
from seqloom.training.monitoring.summary import describe_best, summary
from seqloom.training.state import TrainingState
from seqloom.training.trainer import Trainer
from seqloom.training.validation import Validation


def train(
    data: Path | str | None = None,
    *,
    task: str | None = None,
    config: Path | str | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
    out: Path | str | None = None,
    resume: bool = False,
    strict: bool = False,
    log: Callable[[str], object] = str,
    show_progress: bool = False,
    at_end: AtEnd | None = None,
) -> tuple[Path, Report]:
    """Train a model; `seqloom.train` explains the arguments and loads the model too.

    Args:
        data: what is learnt from.
        task: its name.
        config: a file of settings.
        settings: over that file's.
        out: the run folder.
        resume: whether to go on with it.
        strict: whether one bad row raises.
        log: called with each line.
        show_progress: draw a progress bar.
        at_end: called in the main process with the training that is over, before its model card is written.

    Returns:
        The run folder, and the report on its test split, or validation split where there is no test split.

    Raises:
        DataError: the data cannot be read, or no task fits it.
        ConfigError: a setting that does not exist or is out of its range.
        RunError: the run folder cannot be made, or the loss is not finite.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint is written; a note says how to go on.
    """
    layer = nested_settings(settings)
    # Without `cpu`, processes that have no GPU would not find one another.
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    is_main = accelerator.is_main_process
    with shown(show_progress and is_main), ExitStack() as locks:
        log = log if is_main else str
        layers = [*([read_yaml(Path(config))] if config else []), layer]
        if resume:
            folder = folder_to_resume(data, out)
            if is_main:
                locks.callback(run_folder.lock(folder).release)
            job, resumed = resumed_job(folder, data, task, layers)
            if resumed.damage:
                log(f"{resumed.damage} Going on from the checkpoint before it.")
            log(f"resuming {folder} from step {resumed.state.step:,}")
        else:
            if data is None:
                raise ConfigError("train", "expected DATA, a file or folder to learn from", got="none")
            folder, resumed = _choose_folder(Path(data), out, is_main), None
            for left in remove_abandoned(folder) if is_main else ():
                log(f"removed {left}, which a training has left that was killed before it could be resumed")
            with _noted("there is no run folder yet"):
                job = new_job(Path(data), task, layers, log, strict)
        with _noted("there is no run folder yet" if resumed is None else f"{folder} is as it was"):
            trainer = Trainer(job, accelerator, resumed)
        if resumed is None:
            with _noted("there is no run folder yet"):
                lock = _create_folder(folder, job, trainer, accelerator)
            if lock is not None:
                locks.callback(lock.release)
        else:
            _refuse_finished(folder, trainer, has_page=at_end is not None)
            if is_main:
                run_folder.reopen(folder, job.config, trainer.source.digest)
        for line in summary(job, trainer, folder):
            log(line)
        callbacks = _callbacks(folder, job.config, trainer.state, log) if is_main else []
        bar = ProgressBar() if show_progress and is_main else None
        callbacks += [bar] if bar is not None else []
        go_on = f"seqloom train --out {shlex.quote(str(folder))} --resume"
        try:
            with nullcontext() if bar is None else listen(bar):
                with _noted(f"saved; go on with: {go_on}"):
                    state = trainer.run(folder, callbacks)
                log(f"stopped at {state.stop_reason}, step {state.step:,}; {describe_best(state)}")
                accelerator.wait_for_everyone()
                with _noted(f"the model is trained and saved; for its report: {go_on}"):
                    report, rows, job = _report_best(folder, job, trainer)
            with _noted(f"the model is trained and saved; for its report: {go_on}"):
                if is_main:
                    example = answer_example(
                        job.config, job.preparation, job.data, report.split, trainer.model
                    )
                    if at_end is not None:
                        model = trainer.model.eval()
                        at_end(Finished(folder, job, model, state, report, rows, example), log)
                    write_card(folder, job.config, job.preparation, report, state.best_metric, example)
        finally:
            for callback in callbacks:
                callback.close()
        return folder, report


@contextmanager
def _noted(note: str) -> Iterator[None]:
    """Say, where Ctrl-C ends the context, what is there."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        interruption.add_note(note)
        raise


def _choose_folder(data: Path, out: Path | str | None, is_main: bool) -> Path:
    """The run folder; one process chooses it, checks that it is free, and tells the others."""
    folder = Path(out) if out else run_folder.free_name(data)
    if is_main:
        run_folder.refuse_taken(folder)
    return broadcast_object_list([folder])[0]


def _create_folder(folder: Path, job: Job, trainer: Trainer, accelerator: Accelerator) -> RunLock | None:
    """One process makes the folder; all take part in its first checkpoint, to which each adds its own.

    Returns:
        In that one process, the right to write it.
    """
    lock = None
    if accelerator.is_main_process:
        lock = run_folder.create(
            folder, job.config, trainer.source.digest, job.preparation, trainer.write_checkpoint
        )
    else:
        trainer.write_checkpoint(folder)
    accelerator.wait_for_everyone()
    return lock


def _refuse_finished(folder: Path, trainer: Trainer, *, has_page: bool) -> None:
    """A training that has reached its limit and written its report, and its page, has nothing left to do."""
    reason = trainer.limit_reached()
    files = (run_folder.CARD, run_folder.REPORT) if has_page else (run_folder.CARD,)
    if reason and all((folder / file).exists() for file in files):
        raise RunError(
            folder,
            "expected a training that is not over",
            got=f"one that stopped at {reason}",
            hint="Raise the limit, for example --set training.max_steps=…",
        )


def _callbacks(
    folder: Path, config: RunConfig, state: TrainingState, log: Callable[[str], object]
) -> list[Callback]:
    metrics = MetricsFile(folder / run_folder.METRICS, state.metrics_bytes)
    if metrics.missing_bytes:
        size = f"{metrics.missing_bytes:,} bytes"
        log(f"{folder / run_folder.METRICS}: {size} of records before step {state.step:,} are missing")
    if not config.training.tensorboard:
        return [metrics]
    try:
        return [metrics, TensorBoard(folder, state.step)]
    except BaseException:
        metrics.close()
        raise


def _report_best(folder: Path, job: Job, trainer: Trainer) -> tuple[Report, Rows, Job]:
    """Measure the best weights, on the test split where there is one; the job with what was calibrated."""
    run_folder.load_model(folder, trainer.model)
    job, validation = _calibrate(folder, job, trainer)
    split = "test" if "test" in job.data.splits else "validation"
    rows = validation.measure(trainer.model, split)
    if split == "test":
        trainer.record(split, rows)
    skipped = validation.source(split).skipped
    seconds = trainer.state.seconds
    preparation = validation.preparation(split)
    report = make_report(
        job.config.task, preparation, job.data, split, rows, skipped=skipped, seconds=seconds
    )
    context = job.config.context(job.preparation)
    return with_comparison(report, job.config.task, trainer.model, job.data, context), rows, job


def _calibrate(folder: Path, job: Job, trainer: Trainer) -> tuple[Job, Validation]:
    """What is learnt of the validation split at the end, if anything: it goes into the run folder."""
    context = job.config.context(job.preparation)
    preparation = job.config.task.calibrate(trainer.model, job.preparation, job.data, context)
    if preparation is job.preparation:
        return job, trainer.validation
    if trainer.processes.is_main:
        run_folder.save_preparation(folder, preparation)
    job = job._replace(preparation=preparation)
    return job, Validation(job, trainer.processes)
