"""From a path to a finished run folder: infer the task, resolve the configuration, train, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from seqloom.errors import ConfigError, RunError
from seqloom.evaluation.report import Report, report
from seqloom.runs import run_folder
from seqloom.runs.config import RunConfig, read_yaml
from seqloom.runs.model_card import write_card
from seqloom.training.callbacks import Hook, MetricsFile, TensorBoard, Terminal
from seqloom.training.checkpoint import Position
from seqloom.training.job import Job, nested_settings, new_job, resumed_job
from seqloom.training.trainer import Trainer


def train(
    data: Path | str | None = None,
    *,
    task: str | None = None,
    config: Path | str | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
    out: Path | str | None = None,
    resume: bool = False,
    strict: bool = False,
    say: Callable[[str], object] = str,
    show_progress: bool = False,
) -> tuple[Path, Report]:
    """Train a model.

    Args:
        data: a file or a folder, of what a task takes; may be left out with `resume`.
        task: a name in `seqloom.tasks.TASKS`; None: inferred from the data.
        config: a YAML file.
        settings: over it, `["training.batch_size=32"]` or `{"training.batch_size": 32}`.
        out: the run folder; None: `runs/` and the data's name.
        resume: go on with the run folder `out` from its last checkpoint.
        strict: one bad row among many is an error; else it is skipped and counted.
        say: told, line by line, what was inferred and found.
        show_progress: draw on standard error.

    Returns:
        The run folder, and the report on its validation (or test) split.

    Raises:
        DataError, ConfigError, RunError: as they say.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint is written.
    """
    layer = nested_settings(settings)
    # Without `cpu`, processes that have no GPU would not find one another.
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    is_main = accelerator.is_main_process
    say = say if is_main else str
    if resume:
        folder, job, resumed = resumed_job(data, config, layer, out)
        say(f"going on with {folder} from step {resumed.position.step:,}")
    else:
        if data is None:
            raise ConfigError("train", "expected DATA, a file or folder to learn from", got="none")
        folder, resumed = _name_folder(Path(data), out, is_main), None
        layers = [*([read_yaml(Path(config))] if config else []), layer]
        job = new_job(Path(data), task, layers, say, strict)
    trainer = Trainer(job, accelerator, resumed)
    if resumed is None:
        _make_folder(folder, job, trainer, accelerator)
    else:
        _refuse_finished(folder, trainer)
        if is_main:
            run_folder.reopen(folder, job.config, trainer.digest)
    _describe(job, trainer, folder, say)
    hooks = _hooks(folder, job.config, trainer.position, show_progress) if is_main else []
    try:
        position = trainer.run(folder, hooks)
        say(f"stopped at {position.finished}, step {position.step:,}; best was step {position.best_step:,}")
        accelerator.wait_for_everyone()
        found = _report_best(folder, job, trainer)
        if is_main:
            write_card(folder, job.config, job.preparation, job.data_path.name, found)
    except KeyboardInterrupt:
        say(f"saved; go on with: seqloom train --out {folder} --resume")
        raise
    finally:
        for hook in hooks:
            hook.close()
    return folder, found


def _report_best(folder: Path, job: Job, trainer: Trainer) -> Report:
    """Measure the best weights, on the test split where there is one."""
    run_folder.load_model(folder, trainer.model)
    split = "test" if "test" in job.data.splits else "validation"
    rows = trainer.measure(split)
    if split == "test":
        trainer.record(split, rows)
    skipped = trainer.evaluation_source(split).skipped
    return report(job.config.task, job.preparation, job.data, split, rows, skipped)


def _name_folder(data: Path, out: Path | str | None, is_main: bool) -> Path:
    """One process chooses and looks, and tells the others."""
    folder = Path(out) if out else run_folder.free_name(data)
    if is_main:
        run_folder.refuse_taken(folder)
    return broadcast_object_list([folder])[0]


def _refuse_finished(folder: Path, trainer: Trainer) -> None:
    """A training that is over, with its report written, has nothing to go on with."""
    reason = trainer.limit_reached()
    if reason and (folder / run_folder.CARD).exists():
        raise RunError(
            folder,
            "expected a training that is not over",
            got=f"one that stopped at {reason}",
            hint="Raise the limit, for example --set training.max_steps=…",
        )


def _make_folder(folder: Path, job: Job, trainer: Trainer, accelerator: Accelerator) -> None:
    """The folder is made by one process; all write the checkpoint, since all have a share in it."""
    if accelerator.is_main_process:
        run_folder.create(folder, job.config, trainer.digest, job.preparation, trainer.write_checkpoint)
    else:
        trainer.write_checkpoint(folder)
    accelerator.wait_for_everyone()


def _describe(job: Job, trainer: Trainer, folder: Path, say: Callable[[str], object]) -> None:
    for split, messages in trainer.skipped().items():
        if messages:
            say(f"{split}: {len(messages):,} rows skipped, the first: {messages[0]}")
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    say(f"data: {job.data_path} ({job.data.describe()}), {job.preparation.describe()}")
    say(f"model: {parameters:,} parameters on {trainer.device}, trained in {job.config.training.precision}")
    for line in trainer.kernels():
        say(f"kernel: {line}")
    say(f"run folder: {folder}")


def _hooks(folder: Path, config: RunConfig, position: Position, show_progress: bool) -> list[Hook]:
    hooks: list[Hook] = [MetricsFile(folder / run_folder.METRICS, position.metrics_bytes)]
    if config.training.tensorboard:
        hooks.append(TensorBoard(folder, position.step))
    if show_progress:
        hooks.append(Terminal())
    return hooks
