"""A model trained anew before windows of a backtest, on all of each series that is before its own window."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import torch
from accelerate import Accelerator
from torch import nn

from seqloom.data.batching import Batching
from seqloom.data.bucketing import BATCH_SIZE
from seqloom.errors import ConfigError
from seqloom.evaluation.measure import measure
from seqloom.runs import run_folder
from seqloom.runs.config import RunConfig
from seqloom.tasks.base import Context, Preparation, Rows
from seqloom.tasks.forecasting import Backtesting
from seqloom.training import checkpoint
from seqloom.training.job import Job
from seqloom.training.trainer import Trainer


def refit(config: RunConfig, preparation: Preparation, data: Any, steps: int) -> nn.Module:
    """Train a model from its first weights on, as a run was trained, on other data.

    Nothing is held out for validation: the number of steps is what a training with validation has chosen, and
    the weights are the last ones, or their average.

    Args:
        config: of the run.
        preparation: of the run.
        data: with the splits `train` and `validation`; the second is measured at the end and decides nothing.
        steps: of the training; schedules end with them.

    Returns:
        The model, in evaluation mode.
    """
    limits = {"max_steps": steps, "max_epochs": None, "max_minutes": None, "patience": None}
    seldom = {"validate_every": steps, "checkpoint_every": steps, "tensorboard": False}
    training = config.training.model_copy(update={**limits, **seldom})
    job = Job(config._replace(training=training), preparation, data, data.path)
    with tempfile.TemporaryDirectory(prefix="seqloom-refit-") as parent:
        folder = Path(parent) / "run"
        trainer = Trainer(job, Accelerator(cpu=not torch.cuda.is_available()))
        lock = run_folder.create(
            folder, job.config, trainer.source.digest, preparation, trainer.write_checkpoint
        )
        try:
            trainer.run(folder, [])
            run_folder.load_model(folder, trainer.model)
        finally:
            lock.release()
    return trainer.model.eval()


def measure_refitted(
    folder: Path,
    preparation: Preparation,
    data: Any,
    split: str,
    every: int,
    context: Context,
    log: Callable[[str], object] = str,
) -> Rows:
    """What each window of a backtest costs a model that was trained anew before it.

    Windows are counted from each series' own end: nothing of the same series after its cutoff is learnt from,
    though later dates of other series may be, where series end at different times.

    Args:
        folder: of the run, whose best step says how long to train.
        preparation: whose sources give the windows of the backtest.
        data: with the split that is measured.
        split: its name.
        every: windows of a series from one training to the next.
        context: preparation, settings, and how to decode.
        log: called with a line about each training.

    Returns:
        Rows, whose spans are the numbers of their windows in the whole split.

    Raises:
        ConfigError: the task has no windows in time, or there is nothing to learn from before them.
        RunError: the run has no checkpoint.
    """
    config, _ = run_folder.read_config(folder)
    task: object = config.task
    if not isinstance(task, Backtesting):
        expected = "refit needs forecasts, whose windows follow one another"
        raise ConfigError("evaluate", expected, got=f"the task {config.task.name}")
    stages = task.stages(preparation, data, split, every)
    steps = checkpoint.load(folder).state.best_step
    batching, parts = Batching(BATCH_SIZE, config.training.window, training=False), []
    for number, (known, places) in enumerate(stages, 1):
        sizes = ", ".join(f"{name} {known.splits[name].steps:,} steps" for name in ("train", split))
        log(f"refit {number} of {len(stages)}: {sizes}; {steps:,} steps of training")
        with torch.device("cpu"):  # whatever the default is: accelerate moves what is trained
            model = refit(config, preparation, known, steps)
        source = preparation.source(known, split, batching)
        rows = measure(config.task, model, source, next(model.parameters()).device, context)
        assert rows.spans is not None
        numbers = places[rows.spans[:, 0]]
        parts.append(rows._replace(spans=numpy.stack([numbers, numbers + 1], 1)))
    return Rows.join(parts)
